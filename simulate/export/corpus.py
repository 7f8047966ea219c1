"""Exports: a corpus in the formats of other programs."""

import dataclasses
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError, InputError
from stemforge.exchange.exported import LABEL, VACANCY, Exported, FileNames, WriterOptions
from stemforge.exchange.formats import FormatName
from stemforge.exchange.running import Contents, ExportRun, check_new_folder
from stemforge.micrograph.annotations import Annotations
from stemforge.settings import Settings
from stemforge.simulate.labels.boxes import SPHERES, BoxDefinition, sample_molecule_boxes
from stemforge.simulate.labels.vacancies import KEY, with_vacancies
from stemforge.simulate.recording.degrade import Degradation
from stemforge.simulate.recording.record import Recording, corpus_degradation, record, recording_rng
from stemforge.simulate.scan import Scan
from stemforge.structures.tags import Tag


class Export(Settings):
    """What of a corpus is exported, and how.

    Parameters
    ----------
    format
        One of :data:`stemforge.exchange.formats.FORMATS`, such as ``"coco"``; ``"extxyz"`` writes the structures.
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
        Leave out atoms whose contrast-to-noise in the image is lower: they are in it, but cannot be seen. Of vacancies,
        whose contrast is negative, those whose magnitude is lower.
    vacancies
        With where atoms of the support are missing, named ``S vacancy`` and the like.

    Examples
    --------
    >>> Export(format="coco", doses=(1e4, 4e4)).bits
    8
    >>> Export.from_mapping({"format": "coco", "doses": [1e4], "clean": True})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: give either doses or clean
    """

    format: FormatName
    doses: tuple[Annotated[float, Field(gt=0)], ...] = ()
    clean: bool = False
    seed: Annotated[int, Field(ge=0)] | None = None
    bits: Literal[8, 16] = 8
    box: Annotated[float, Field(gt=0)] = 3.0
    boxes: Literal["van-der-waals"] | Annotated[float, Field(ge=0, le=20)] = "van-der-waals"
    channel: str | None = None
    min_cnr: float | None = None
    vacancies: bool = False

    @model_validator(mode="after")
    def _doses_fit(self) -> Self:
        if self.doses and self.clean:
            raise ValueError("give either doses or clean")
        if self.doses and self.format == "extxyz":
            raise ValueError("structures have no noise; leave out doses for extxyz")
        if self.vacancies and self.format == "extxyz":
            raise ValueError("structures hold the atoms that are there; leave out vacancies for extxyz")
        if len(set(self.doses)) < len(self.doses):
            raise ValueError(f"a dose is named twice in {', '.join(f'{dose:g}' for dose in self.doses)}")
        return self


def export_corpus(corpus: Corpus, out: str | Path, export: Export, *, quiet: bool = False) -> Contents:
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
    Contents
        How many images, or structures, with how many objects.

    Raises
    ------
    InputError, CorpusError
        A folder that is used, or settings that do not fit the corpus. Nothing has been written then.

    Examples
    --------
    >>> from stemforge import Annotations, CorpusWriter
    >>> writer = CorpusWriter("corpus", {"name": "demo", "seed": 1, "degradation": {"dose": 2e4}}, "0" * 64)
    >>> _ = writer.write(0, [Sample(0, np.ones((1, 16, 16), "float32"), 0.3, ("HAADF",), Annotations([]))])
    >>> print(export_corpus(Corpus("corpus"), "out", Export(format="coco", doses=(1e4, 4e4)), quiet=True))
    2 images with 0 atoms
    >>> sorted(str(path.relative_to("out")) for path in Path("out").rglob("*.*"))
    ['annotations.json', 'export.json', 'images/000000_10000eA2.png', 'images/000000_40000eA2.png']
    """
    degradations = _degradations(corpus, export)
    check_new_folder(out)
    channel = _check_fit(corpus, export)
    options = WriterOptions(export.bits, export.box, channel, _species(corpus))
    run = ExportRun(Path(out), export.format, _description(corpus, export), options)
    total = len(corpus) * len(degradations)
    return run.write(_items(corpus, export, degradations), total, quiet=quiet)


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
    if export.vacancies:
        with_vacancies(first)
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
    names = FileNames()
    definition = BoxDefinition(export.boxes)
    for sample in map(partial(_with_boxes, definition=definition), corpus):
        name = names.new(str(sample.metadata.get("name", f"{sample.index:06d}")))
        sample = with_vacancies(sample) if export.vacancies else sample
        for ending, degradation in degradations.items():
            recording = _recording(corpus, sample, export, degradation)
            yield exported_sample(sample, recording, name + ending, structure=export.format == "extxyz")


def exported_sample(sample: Sample, recording: Recording, name: str, *, structure: bool = False) -> Exported:
    """Return a recorded sample as it is exported.

    Parameters
    ----------
    sample, recording
        The sample, and how it was recorded.
    name
        For its files.
    structure
        With the atoms, where the corpus keeps them.
    """
    labels, settings = recording.labels, recording.settings
    names = {LABEL: label_names(sample, labels), **labels.columns}
    facts = {
        "sample": sample.index,
        "sampling_angstrom": sample.sampling,
        "dose": recording.dose,
        "degradation": None if settings is None else settings.model_dump(mode="json"),
        # Vacancies are exported as objects, where the recording shows them, or not at all.
        **{key: value for key, value in sample.metadata.items() if key not in ("drawn", KEY)},
    }
    if structure:
        facts |= _scan_in_structure(sample)
    return Exported(
        name,
        Annotations(labels.points, labels.boxes, names),
        recording.image,
        recording.channels,
        sample.sampling,
        sample.structure if structure else None,
        sample.metadata.get("drawn", {}).get("microscope", {}).get("energy"),
        facts,
    )


def _scan_in_structure(sample: Sample) -> dict[str, Any]:
    """Say where the noise-free image lies in a sample's structure, by which atoms are found on it."""
    if sample.structure is None or sample.sampling is None:
        return {}
    frame = sample.metadata.get("frame", {})
    height, width = sample.signal.shape[1:]
    scan = Scan.of_any_size((height, width), sample.sampling, **frame)
    cell = sample.structure.cell
    origin = scan.first_pixel((float(cell[0, 0]), float(cell[1, 1])))
    return {"scan_origin_angstrom": origin.tolist(), "scan_rotation_rad": float(frame.get("rotation", 0.0))}


def label_names(sample: Sample, labels: Annotations) -> NDArray[np.object_]:
    """Return the name of each labelled object: its species, its element's symbol, that of a vacancy, or ``atom``."""
    names = sample.metadata.get("molecules")
    if isinstance(names, list) and "species" in labels.columns:
        found = [str(names[int(s)]) for s in labels["species"]]
    elif "element" in labels.columns:
        found = [chemical_symbols[int(z)] for z in labels["element"]]
    else:
        found = ["atom"] * len(labels)
    if "tag" in labels.columns:
        missing = labels["tag"] == Tag.VACANCY
        found = [name + VACANCY if gone else name for name, gone in zip(found, missing, strict=True)]
    return np.array(found, dtype=object)


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
    cnr = recording.labels["cnr"]
    if export.vacancies:
        cnr = np.where(recording.labels["tag"] == Tag.VACANCY, -cnr, cnr)
    visible = recording.labels.where(cnr >= export.min_cnr)
    return dataclasses.replace(recording, labels=visible)


def _species(corpus: Corpus) -> tuple[str, ...]:
    """Return the molecules of the recipe, by which COCO numbers its categories in every part of a corpus alike."""
    support = corpus.recipe.get("support")
    guests = support.get("guests") if isinstance(support, dict) else None
    return tuple(sorted(guests or ()))
