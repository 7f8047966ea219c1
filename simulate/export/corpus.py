"""Exports: a corpus in the formats of other programs."""

import dataclasses
import re
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError, InputError
from stemforge.files import PARTIAL, write_json
from stemforge.micrograph.annotations import Annotations
from stemforge.outputs.folder import ResultFolder
from stemforge.settings import Settings
from stemforge.simulate.export.formats import (
    CocoWriter,
    Exported,
    HyperSpyWriter,
    TiffWriter,
    Writer,
    XYZWriter,
)
from stemforge.simulate.labels.boxes import SPHERES, BoxDefinition, sample_molecule_boxes
from stemforge.simulate.recording.degrade import Degradation
from stemforge.simulate.recording.record import Recording, corpus_degradation, record, recording_rng


class Export(Settings):
    """What of a corpus is exported, and how.

    Parameters
    ----------
    format
        ``coco``: ``annotations.json`` and ``images/*.png``. ``tiff``: 32-bit TIFF and CSV labels. ``extxyz``: one
        file of structures. ``hyperspy``: ``.hspy`` files.
    doses
        Record each sample at each of these doses [e/Å²] instead of the recipe's; names then end in the dose.
    clean
        Leave the noise-free signal as it is.
    seed
        Root of the noise; the recipe's by default.
    bits
        Of COCO's pictures.
    box
        Side of the boxes around atoms in COCO [Å].
    boxes
        What a molecule's box is, see :class:`~stemforge.simulate.BoxDefinition`.
    channel
        Detector that COCO's pictures show; the first by default.
    min_cnr
        Leave out atoms whose contrast-to-noise in the image is lower: they are in it, but cannot be seen.
    """

    format: Literal["coco", "tiff", "extxyz", "hyperspy"]
    doses: tuple[Annotated[float, Field(gt=0)], ...] = ()
    clean: bool = False
    seed: Annotated[int, Field(ge=0)] | None = None
    bits: Literal[8, 16] = 8
    box: Annotated[float, Field(gt=0)] = 3.0
    boxes: Literal["van-der-waals"] | Annotated[float, Field(ge=0, le=20)] = "van-der-waals"
    channel: str | None = None
    min_cnr: float | None = None

    @model_validator(mode="after")
    def _doses_fit(self) -> Self:
        if self.doses and self.clean:
            raise ValueError("give either doses or clean")
        if self.doses and self.format == "extxyz":
            raise ValueError("structures have no noise; leave out doses for extxyz")
        if len(set(self.doses)) < len(self.doses):
            raise ValueError(f"a dose is named twice in {', '.join(f'{dose:g}' for dose in self.doses)}")
        return self


def export_corpus(corpus: Corpus, out: str | Path, export: Export, *, quiet: bool = False) -> int:
    """Write a corpus' images and labels, or its structures, for other programs.

    Images are degraded as the corpus' recipe says, segments integrated to iDPC; an image depends on the seed and its
    sample's number alone. ``export.json`` says what the export was made of. An export that is interrupted leaves
    nothing.

    Parameters
    ----------
    corpus
        What to export.
    out
        Folder, new or empty.
    export
        What of it, and how.
    quiet
        Show no progress.

    Returns
    -------
    int
        Number of images, or structures.

    Raises
    ------
    InputError, CorpusError
        A folder that is used, or settings that do not fit the corpus. Nothing has been written then.
    """
    out = Path(out)
    degradations = _degradations(corpus, export)
    folder = ResultFolder(out)
    folder.check()
    if out.exists() and any(path.suffix != PARTIAL for path in out.iterdir()):
        raise InputError(f"out: {out} is not an empty folder; choose a new one")
    channel = _check_fit(corpus, export)
    info = _description(corpus, export)
    total = len(corpus) * len(degradations)
    again = "run the same command again; nothing of the export is kept"
    with (
        progress(f"export {export.format}", total, "images", quiet) as advance,
        folder.staged(then=again) as staging,
    ):
        writer = _writer(corpus, staging, export, channel, info)
        for item in _items(corpus, export, degradations):
            writer.add(item)
            advance(1)
        writer.close()
        write_json(staging / "export.json", info)
    return total


def _degradations(corpus: Corpus, export: Export) -> dict[str, Degradation | None]:
    """Return what is done to each sample, by the ending that its name gets."""
    degradation = corpus_degradation(corpus)
    if not export.doses:
        return {"": None if export.clean else degradation}
    if degradation is None:
        raise InputError(f"doses: {corpus.folder} holds measured images, which have their noise already")
    return {f"_{dose:g}eA2".replace("+", ""): degradation.at_dose(dose) for dose in export.doses}


def _check_fit(corpus: Corpus, export: Export) -> int:
    """Refuse settings that do not fit the corpus; return the number of the channel to show."""
    first = corpus[0]
    channels = record(first).channels
    if export.channel is not None and export.channel not in channels:
        raise InputError(f"channel: {export.channel} is none of the corpus's channels {', '.join(channels)}")
    if export.format == "extxyz" and first.structure is None:
        raise CorpusError(
            f"{corpus.folder}: keeps no structures; simulate it with store_structures: true, or rebuild each one with "
            "SimulationRecipe.build"
        )
    if export.format == "coco" and first.labels.boxes is None and first.sampling is None:
        raise CorpusError(
            f"{corpus.folder}: has no pixel size, so boxes of {export.box:g} Å cannot be drawn around its atoms; "
            "ingest the images with their pixel size (sampling)"
        )
    if export.min_cnr is not None and "cnr" not in first.labels.columns:
        raise InputError(f"min_cnr: the labels of {corpus.folder} state no contrast-to-noise")
    return 0 if export.channel is None else channels.index(export.channel)


def _description(corpus: Corpus, export: Export) -> dict[str, Any]:
    return {
        "description": f"{corpus.recipe.get('name', corpus.folder.name)}, exported by stemforge",
        "version": version("stemforge"),
        "format": export.format,
        "recipe_hash": corpus.recipe_hash,
        "recipe": corpus.recipe,
        "seed": corpus.recipe.get("seed", 0) if export.seed is None else export.seed,
        "doses": list(export.doses) or None,
        "boxes": export.boxes,
        "clean": export.clean or corpus.kind == "measured",
        "coordinates": "COCO boxes and keypoints: 0 at the outer corner of the first pixel; tables: at its centre",
    }


def _items(corpus: Corpus, export: Export, degradations: dict[str, Degradation | None]) -> Iterator[Exported]:
    names: set[str] = set()
    definition = BoxDefinition(export.boxes)
    for sample in map(partial(_with_boxes, definition=definition), corpus):
        name = _file_name(str(sample.metadata.get("name", f"{sample.index:06d}")), names)
        for ending, degradation in degradations.items():
            yield Exported(name + ending, sample, _recording(corpus, sample, export, degradation))


def _with_boxes(sample: Sample, definition: BoxDefinition) -> Sample:
    """Return the sample with its molecules' boxes as the export wants them."""
    if sample.labels.boxes is None or definition == SPHERES:
        return sample
    # Tables say of their boxes what they are.
    columns = {**sample.labels.columns, "boxes": np.full(len(sample.labels), definition.margin)}
    labels = Annotations(sample.labels.points, sample_molecule_boxes(sample, definition), columns)
    return dataclasses.replace(sample, labels=labels)


def _recording(corpus: Corpus, sample: Sample, export: Export, degradation: Degradation | None) -> Recording:
    if export.format == "extxyz":  # a structure needs no image of it
        return Recording(sample.signal, sample.channels, sample.labels)
    recording = record(sample, degradation, recording_rng(corpus.recipe, sample.index, export.seed))
    if export.min_cnr is None:
        return recording
    visible = recording.labels.where(recording.labels["cnr"] >= export.min_cnr)
    return dataclasses.replace(recording, labels=visible)


def _writer(corpus: Corpus, out: Path, export: Export, channel: int, info: dict[str, Any]) -> Writer:
    if export.format == "coco":
        support = corpus.recipe.get("support")
        guests = support.get("guests") if isinstance(support, dict) else None
        return CocoWriter(out, export.bits, export.box, channel, tuple(sorted(guests or ())), info)
    if export.format == "tiff":
        return TiffWriter(out)
    return HyperSpyWriter(out) if export.format == "hyperspy" else XYZWriter(out)


def _file_name(name: str, taken: set[str]) -> str:
    """Make a name, which comes from a file and may be anything, fit for a new file."""
    safe = re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "image"
    unique, number = safe, 1
    while unique in taken:
        number += 1
        unique = f"{safe}_{number}"
    taken.add(unique)
    return unique
