"""Atoms brought to rest by an ASE calculator and optimiser."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.constraints import FixAtoms
from ase.optimize import BFGS, FIRE, LBFGS

from stemforge.errors import StructureError
from stemforge.structures.checks import require, require_count, require_range

__all__ = ["OPTIMISERS", "Relaxed", "relax"]

OPTIMISERS = {"bfgs": BFGS, "lbfgs": LBFGS, "fire": FIRE}
_LONGEST_STEP = 0.15  # Å; a proton between two atoms goes astray at longer ones


@dataclass(frozen=True)
class Relaxed:
    """What came of a relaxation.

    Parameters
    ----------
    atoms : ase.Atoms
        At their new places, without calculator and constraints.
    energy : float
        The calculator's energy [eV].
    force : float
        Largest force that is left on an atom that may move [eV/Å].
    steps : int
        Steps taken.
    converged : bool
        Whether the largest force is below the limit.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from ase.calculators.emt import EMT
    >>> relaxed = relax(molecule("N2"), EMT(), fmax=0.01)
    >>> relaxed.converged, relaxed.force < 0.01, round(float(relaxed.atoms.get_distance(0, 1)), 2)
    (True, True, 1.0)
    """

    atoms: Atoms
    energy: float
    force: float
    steps: int
    converged: bool


def relax(
    atoms: Atoms,
    calculator: BaseCalculator,
    *,
    fixed: Sequence[int] = (),
    fmax: float = 0.05,
    steps: int = 200,
    optimiser: str = "bfgs",
) -> Relaxed:
    """Move atoms until the forces on them vanish.

    Parameters
    ----------
    atoms : ase.Atoms
        What to relax; not changed.
    calculator : ase.calculators.calculator.BaseCalculator
        Any calculator of ASE that gives energy and forces.
    fixed : sequence of int
        Indices of atoms that stay.
    fmax : float, default 0.05
        Largest force that may be left [eV/Å].
    steps : int, default 200
        Most steps.
    optimiser : str, default "bfgs"
        ``"bfgs"``, ``"lbfgs"`` or ``"fire"``.

    Returns
    -------
    Relaxed
        Atoms, energy and what force is left.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    stemforge.errors.StructureError
        If the calculator fails, as where its electrons do not come to rest, or gives no number.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from ase.calculators.morse import MorsePotential
    >>> from stemforge.structures import relax
    >>> pair = molecule("N2")
    >>> relaxed = relax(pair, MorsePotential(r0=1.2), fmax=0.001)
    >>> relaxed.converged, round(float(relaxed.atoms.get_distance(0, 1)), 3)
    (True, 1.2)
    """
    require_range("fmax", fmax, 1e-6)
    require_count("steps", steps)
    require(optimiser in OPTIMISERS, "optimiser", f"one of {tuple(OPTIMISERS)}", optimiser)
    moving = atoms.copy()
    moving.set_constraint(FixAtoms(indices=list(fixed)))
    moving.calc = calculator
    options = {} if optimiser == "fire" else {"maxstep": _LONGEST_STEP}
    run = OPTIMISERS[optimiser](moving, logfile=None, **options)
    try:
        run.run(fmax=fmax, steps=steps)
        energy = float(moving.get_potential_energy())
        force = float(np.linalg.norm(moving.get_forces(), axis=1).max(initial=0.0))
    except Exception as error:  # calculators have errors of many kinds, of none of which the library knows
        raise StructureError(f"the calculator failed after {run.nsteps} steps: {error}") from error
    if not np.isfinite(energy + force):
        raise StructureError(f"the calculator gave no number after {run.nsteps} steps")
    moving.calc = None
    moving.set_constraint()
    return Relaxed(moving, energy, force, int(run.nsteps), force <= fmax)
