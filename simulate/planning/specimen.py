"""What a specimen asks of a recipe, judged on a piece of it before any work: engine, energy, and element."""

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.simulate.engines.common import EngineSettings
from stemforge.simulate.engines.kernels import elastic_scattering
from stemforge.simulate.engines.prism import Prism, largest_interpolation, narrowest_window
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.structures import SUPPORT
from stemforge.structures.atoms.columns import COLUMN_RADIUS, column_heights

__all__ = ["channels", "check_specimen"]

_PIECE = 25.0  # Å, side of the pieces that are looked at
_DRAWS = 4  # pieces, where the support's settings are distributions
_TALL = 3.0  # atoms in a column from which kernels is wrong, see docs/physics.md
_AROUND = 4.0  # Å, radius in which atoms are counted without regard to columns
_ORDERED = 1.5  # times what as many atoms at random places would have in a column
_SURE = 1000  # atoms that are enough to tell
_DIM = 3.0  # mean free paths after which less than 5 % of the probe is still sharp
_DARK = 10.0  # mean free paths after which nothing of it is (4.5e-5)
_MAIN = 0.1  # share of the atoms from which an element is one of the support's


def check_specimen(recipe: SimulationRecipe) -> None:
    """Refuse an engine or energy that cannot image the support, and warn of atoms that it hides.

    Supports that give no piece of themselves (:meth:`SupportSettings.piece`) are taken as they are.

    Parameters
    ----------
    recipe
        The recipe; pieces are built with up to four draws of its distributions.

    Raises
    ------
    InputError
        ``kernels`` for columns along the beam; PRISM whose interpolation loses electrons on their way through the
        support; or a support that lets no electron of the probe through unscattered.
    """
    rng = np.random.default_rng(0)
    drawn = (recipe.support.draw(rng) for _ in range(_DRAWS))
    pieces = [
        piece for one in drawn if (piece := one.piece((_PIECE, _PIECE), rng)) is not None and len(piece)
    ]
    if not pieces:
        return
    _check_engine(recipe.engine, pieces, certain=recipe.support.kind == "crystal_slab")
    _check_window(recipe, pieces)
    _check_energy(recipe, pieces)
    _check_elements(recipe, pieces[0])


def channels(atoms: Atoms) -> float:
    """Return how many atoms a typical column along the beam has, or 1 where atoms are in no order.

    Columns guide the probe: an image is then no sum over atoms.

    Parameters
    ----------
    atoms
        Support in an orthogonal cell, periodic in x and y.

    Examples
    --------
    >>> from stemforge.structures import amorphous_carbon, crystal_slab
    >>> rng = np.random.default_rng(0)
    >>> channels(crystal_slab("mgo", (15, 15), face=(0, 0, 1), thickness=21, rng=rng))
    10.0
    >>> channels(amorphous_carbon((15, 15, 40), rng=rng))
    1.0
    """
    support = np.flatnonzero(atoms.get_tags() == SUPPORT)
    # Some are enough: a large file holds millions.
    chosen = support[:: max(1, len(support) // _SURE)]
    if not len(chosen):
        return 1.0
    heights = column_heights(atoms, chosen)
    # Where atoms lie at random, a column holds as many as its share of the projected surroundings.
    around = column_heights(atoms, chosen, radius=_AROUND)
    expected = 1 + around * (COLUMN_RADIUS / _AROUND) ** 2
    ordered = np.median(heights) > _ORDERED * np.median(expected)
    return float(np.median(heights)) if ordered else 1.0


def _check_engine(engine: EngineSettings, pieces: list[Atoms], certain: bool) -> None:
    tallest = max(channels(piece) for piece in pieces)
    if engine.name != "kernels" or tallest < _TALL:
        return
    problem = (
        f"engine.name: kernels adds up single atoms, but the support has columns of {tallest:.0f} atoms along the "
        "beam, which guide the probe; take prism, multislice or engine: {name: auto, max_error: 0.1}, which takes "
        "kernels only where its error on a piece is measured to be smaller (docs/physics.md says how wrong kernels is)"
    )
    if certain:
        raise InputError(problem)
    say(f"warning: {problem}")


def _check_window(recipe: SimulationRecipe, pieces: list[Atoms]) -> None:
    engine = recipe.engine
    if not isinstance(engine, Prism) or engine.interpolation == 1:
        return
    microscope, side = recipe.microscope, min(recipe.scan.cell)
    depth = max(float(np.ptp(piece.positions[:, 2])) for piece in pieces)
    most = largest_interpolation(microscope, side, depth)
    if engine.interpolation > most:
        outer = max(outer for _, outer in microscope.detectors.angles.values())
        window, spread = side / engine.interpolation, narrowest_window(microscope, depth)
        raise InputError(
            f"engine.interpolation: {engine.interpolation} computes waves in windows of {window:.3g} Å, but what the "
            f"top of {depth:.0f} Å scatters to {outer:g} mrad spreads over {spread:.3g} Å, and would be lost; take "
            f"{most}, a support of {depth * window / spread:.0f} Å at most, a larger scan or scan.margin, or a smaller "
            "outer angle"
        )


def _check_energy(recipe: SimulationRecipe, pieces: list[Atoms]) -> None:
    """Judge by how many elastic mean free paths the support is thick."""
    microscope = recipe.microscope.draw(np.random.default_rng(0))
    paths = max(float(np.ptp(p.positions[:, 2])) / elastic_scattering(p, microscope)[0] for p in pieces)
    left = (
        f"{np.exp(-paths):.1g} of the probe of {microscope.energy / 1e3:g} keV is left unscattered behind it"
    )
    problem = f"support: is {paths:.1f} elastic mean free paths thick, {left}"
    if paths > _DARK:
        raise InputError(f"{problem}; take a thinner support or a higher microscope.energy")
    if paths > _DIM:
        say(f"warning: {problem}: atoms near its exit side will hardly show")


def _check_elements(recipe: SimulationRecipe, piece: Atoms) -> None:
    """Warn of single atoms that scatter less than the support's own."""
    support = piece.numbers[piece.get_tags() == SUPPORT]
    elements, counts = np.unique(support, return_counts=True)
    if not len(elements):
        return
    heaviest = int(elements[counts >= _MAIN * counts.sum()].max())
    for species in recipe.single_atoms:
        if not species.impurity and atomic_numbers[species.element] <= heaviest:
            say(
                f"warning: single_atoms: {species.element} is no heavier than the {chemical_symbols[heaviest]} of its "
                "support, whose own atoms will look the same or brighter"
            )
