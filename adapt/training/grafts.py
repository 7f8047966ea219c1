"""A corpus of the user's images with simulated atoms grafted in."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.settings import Settings
from stemforge.simulate import SimulationRecipe
from stemforge.simulate.grafting.graft import graft
from stemforge.simulate.grafting.host import Host
from stemforge.simulate.grafting.places import free_places
from stemforge.simulate.grafting.spots import Spots
from stemforge.structures import Tag
from stemforge.train.labelled import DOUBTFUL
from stemforge.train.recipe import Visible

_DEPTHS = 8  # at which a microscope's atoms are imaged
_SPACING = 8.0  # between grafts [Å]
_CLEARANCE = 6.0  # from what may be an atom already [Å]
_DENSITY = (0.05, 0.6)  # grafts per nm² of specimen
_BRIGHTEST = 16.0  # contrast-to-noise


class GraftRecipe(Settings):
    """What a corpus of grafts was made of, so that it is recognised again.

    Parameters
    ----------
    name
        Of the corpus.
    seed
        Root of all randomness.
    num_samples
        Images in the corpus.
    shard_size
        Images in each shard file.
    images
        Names of the images, and what stands for their content.
    rounds
        Grafted copies of each image.
    recipe
        Hash of the recipe whose atoms are grafted.
    likely
        Number of places on each image that may be atoms already.
    visible
        Which grafted atoms count.
    """

    name: str = "grafts"
    seed: int
    num_samples: int
    shard_size: int = 1
    images: tuple[str, ...]
    rounds: int
    recipe: str
    likely: tuple[int, ...]
    visible: Visible


def write_grafts(
    micrographs: Sequence[Micrograph],
    likely: Sequence[Annotations],
    recipe: SimulationRecipe,
    folder: str | Path,
    *,
    rounds: int,
    visible: Visible,
    seed: int = 0,
    quiet: bool = False,
) -> Corpus:
    """Graft atoms of a recipe into images, and write them as a measured corpus with labels.

    Each copy of an image gets the atoms of one microscope that the recipe draws, at depths that it draws, with a
    contrast-to-noise from below what counts as visible to very bright. Labelled are the grafts that are visible;
    fainter ones, and whatever on the image may be an atom already, carry :data:`stemforge.train.labelled.DOUBTFUL`:
    training passes over them.

    Parameters
    ----------
    micrographs
        Calibrated annular images.
    likely
        What may be atoms already, for each image (x, y) [pixel].
    recipe
        With single atoms that are labelled.
    folder
        Of the corpus; what of it is there already is kept.
    rounds
        Grafted copies of each image.
    visible
        Which grafts count.
    seed
        Root of the randomness.
    quiet
        Show no progress.

    Raises
    ------
    InputError
        The recipe scatters no atoms that are labelled, or an image has no pixel size.
    MicrographError
        An image that cannot take grafts: see :class:`stemforge.simulate.grafting.host.Host`.
    """
    require_atoms_to_graft(micrographs, recipe)
    settings = GraftRecipe(
        seed=seed,
        num_samples=len(micrographs) * rounds,
        images=tuple(micrograph.name for micrograph in micrographs),
        rounds=rounds,
        recipe=recipe.content_hash,
        likely=tuple(len(points) for points in likely),
        visible=visible,
    )
    writer = CorpusWriter(folder, settings.model_dump(mode="json"), settings.hash, kind="measured")
    with writer.alone(), progress("grafting atoms", settings.num_samples, "images", quiet) as advance:
        for number, (micrograph, known) in enumerate(zip(micrographs, likely, strict=True)):
            indices = range(number * rounds, (number + 1) * rounds)
            missing = [index for index in indices if not writer.complete(index)]
            if missing:
                host = Host.of(micrograph.image, float(micrograph.sampling or 0))
            for index in missing:
                rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
                writer.write(index, [_grafted(index, micrograph, host, known, recipe, visible, rng)])
            advance(rounds)
    return Corpus(folder)


def require_atoms_to_graft(micrographs: Sequence[Micrograph], recipe: SimulationRecipe) -> None:
    """Refuse a recipe without atoms that are labelled, and images without pixel size."""
    if not _elements(recipe):
        raise InputError(
            f"recipe '{recipe.name}': scatters no atoms that are labelled, so that there is nothing to look for; give "
            "it single_atoms"
        )
    for micrograph in micrographs:
        if not micrograph.sampling:
            raise InputError(f"{micrograph.name}: has no pixel size; give it (sampling)")


def _elements(recipe: SimulationRecipe) -> list[str]:
    return [atoms.element for atoms in recipe.single_atoms if not atoms.impurity]


def _grafted(
    index: int,
    micrograph: Micrograph,
    host: Host,
    known: Annotations,
    recipe: SimulationRecipe,
    visible: Visible,
    rng: np.random.Generator,
) -> Sample:
    """Graft atoms into one copy of an image."""
    spots = _spots(recipe, host.sampling, rng)
    number = max(1, round(host.area / 100 * float(np.exp(rng.uniform(*np.log(_DENSITY))))))
    spacing, clearance = _SPACING / host.sampling, _CLEARANCE / host.sampling
    places = free_places(host.specimen, number, rng, spacing=spacing, taken=known.points, clearance=clearance)
    cnr = np.exp(rng.uniform(np.log(0.6 * visible.ignore_cnr), np.log(_BRIGHTEST), len(places)))
    chosen = rng.integers(len(spots), size=len(places))
    grafted = graft(host, spots, places, chosen, rng, cnr=cnr)
    shown = cnr >= visible.ignore_cnr
    points = np.concatenate([places[shown], known.points])
    doubtful = np.concatenate([cnr[shown] < visible.min_cnr, np.ones(len(known), dtype=bool)])
    columns = {DOUBTFUL: doubtful.astype(np.uint8), "tag": np.full(len(points), Tag.SINGLE_ATOM, np.uint8)}
    return Sample(
        index=index,
        signal=grafted.image[None],
        sampling=host.sampling,
        channels=("HAADF",),
        labels=Annotations(points, columns=columns),
        metadata={"name": f"{micrograph.name}-{index}", "structure": micrograph.name},
    )


def _spots(recipe: SimulationRecipe, sampling: float, rng: np.random.Generator) -> Spots:
    """Images of one element's atoms by one microscope that the recipe draws, at depths within its specimen."""
    drawn = recipe.draw(rng)
    elements = _elements(recipe)
    support = drawn.support.model_dump()
    thickness = float(support.get("thickness") or support.get("mean_thickness") or 20.0)
    depths = np.sort(rng.uniform(0, thickness, _DEPTHS)) - drawn.focus * thickness - drawn.microscope.defocus
    return Spots.of_atom(
        elements[int(rng.integers(len(elements)))],
        drawn.microscope,
        [float(depth) for depth in depths],
        sampling,
        source_size=drawn.degradation.source_size,
        thermal_sigma=drawn.engine.thermal_sigma,
    )
