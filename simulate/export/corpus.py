"""Exports: a corpus in the formats of other programs."""

import dataclasses
import json
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.errors import CorpusError, InputError
from stemforge.simulate.export.formats import (
    CocoWriter,
    Exported,
    HyperSpyWriter,
    TiffWriter,
    Writer,
    XYZWriter,
)
from stemforge.simulate.recording.degrade import Degradation
from stemforge.simulate.recording.record import Recording, at_dose, corpus_degradation, record, recording_rng

Format = Literal["coco", "tiff", "extxyz", "hyperspy"]


def export_corpus(
    corpus: Corpus,
    out: str | Path,
    format: Format,
    *,
    doses: Sequence[float] = (),
    clean: bool = False,
    seed: int | None = None,
    bits: Literal[8, 16] = 8,
    box: float = 3.0,
    channel: str | None = None,
    min_cnr: float | None = None,
    quiet: bool = False,
) -> int:
    """Write a corpus' images and labels, or its structures, for other programs.

    Images are degraded as the corpus' recipe says, segments integrated to iDPC; an image depends on the seed and its
    sample's number alone. ``export.json`` is written last and says what the export was made of: without it, it was
    interrupted.

    Parameters
    ----------
    corpus
        What to export.
    out
        Folder, new or empty.
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
    channel
        Detector that COCO's pictures show; the first by default.
    min_cnr
        Leave out atoms whose contrast-to-noise in the image is lower: they are there, and nobody sees them.
    quiet
        Show no progress.

    Returns
    -------
    int
        Number of images, or structures.

    Raises
    ------
    InputError, CorpusError
        A folder that is used, an unknown format, options that do not fit the format or the corpus. Nothing has been
        written then.
    """
    out = Path(out)
    recipes = _recipes(corpus, format, doses, clean)
    if format not in get_args(Format):
        raise InputError(f"format must be one of {', '.join(get_args(Format))}, not '{format}'")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out}: is not an empty folder; choose a new one")
    if not box > 0:
        raise InputError(f"--box must be a positive length [Å], not {box:g}")
    if bits not in (8, 16):
        raise InputError(f"--bits must be 8 or 16, not {bits}")
    first = corpus[0]
    shown = record(first).channels
    if channel is not None and channel not in shown:
        raise InputError(f"--channel {channel}: the corpus has {', '.join(shown)}")
    if format == "extxyz" and first.structure is None:
        raise CorpusError(
            f"{corpus.folder}: keeps no structures; simulate it with store_structures: true, or rebuild each one with "
            "SimulationRecipe.build"
        )
    if format == "coco" and first.labels.boxes is None and first.sampling is None:
        raise CorpusError(
            f"{corpus.folder}: has no pixel size, so boxes of {box:g} Å cannot be drawn around its atoms; ingest the "
            "images with --sampling"
        )
    if min_cnr is not None and "cnr" not in first.labels.columns:
        raise InputError(f"--min-cnr: the labels of {corpus.folder} state no contrast-to-noise")
    info = {
        "description": f"{corpus.recipe.get('name', corpus.folder.name)}, exported by stemforge",
        "version": version("stemforge"),
        "format": format,
        "recipe_hash": corpus.recipe_hash,
        "recipe": corpus.recipe,
        "seed": corpus.recipe.get("seed", 0) if seed is None else seed,
        "doses": list(doses) or None,
        "clean": clean or corpus.kind == "measured",
        "coordinates": "COCO boxes and keypoints: 0 at the outer corner of the first pixel; tables: at its centre",
    }
    out.mkdir(parents=True, exist_ok=True)
    writer = _writer(format, out, bits, box, 0 if channel is None else shown.index(channel), corpus, info)
    names: set[str] = set()
    with progress(f"export {format}", len(corpus) * len(recipes), "images", quiet) as advance:
        for sample in corpus:
            name = _file_name(str(sample.metadata.get("name", f"{sample.index:06d}")), names)
            for ending, degradation in recipes.items():
                rng = recording_rng(corpus.recipe, sample.index, seed)
                # A structure needs no image of it.
                recording = (
                    Recording(sample.signal, sample.channels, sample.labels)
                    if format == "extxyz"
                    else record(sample, degradation, rng)
                )
                if min_cnr is not None:
                    seen = recording.labels.where(recording.labels["cnr"] >= min_cnr)
                    recording = dataclasses.replace(recording, labels=seen)
                writer.add(Exported(name + ending, sample, recording))
                advance(1)
    writer.close()
    text = json.dumps(info, indent=2, ensure_ascii=False, default=str)
    (out / "export.json").write_text(text, encoding="utf-8")
    return len(corpus) * len(recipes)


def _recipes(
    corpus: Corpus, format: str, doses: Sequence[float], clean: bool
) -> dict[str, Degradation | None]:
    """Return what is done to each sample, by the ending that its name gets."""
    own = corpus_degradation(corpus)
    if doses and clean:
        raise InputError("give either --dose or --clean")
    if doses and format == "extxyz":
        raise InputError("--dose: structures have no noise; leave it out for extxyz")
    if doses and own is None:
        raise InputError(f"--dose: {corpus.folder} holds measured images, which have their noise already")
    if len(set(doses)) < len(doses):
        raise InputError(f"--dose: a dose is named twice in {', '.join(f'{dose:g}' for dose in doses)}")
    if doses and own is not None:
        return {f"_{dose:g}eA2".replace("+", ""): at_dose(own, dose) for dose in doses}
    return {"": None if clean else own}


def _writer(
    format: Format, out: Path, bits: int, box: float, channel: int, corpus: Corpus, info: dict[str, Any]
) -> Writer:
    if format == "coco":
        support = corpus.recipe.get("support")
        guests = support.get("guests") if isinstance(support, dict) else None
        return CocoWriter(out, bits, box, channel, tuple(sorted(guests or ())), info)
    if format == "tiff":
        return TiffWriter(out)
    return HyperSpyWriter(out) if format == "hyperspy" else XYZWriter(out)


def _file_name(name: str, taken: set[str]) -> str:
    """Make a name, which comes from a file and may be anything, fit for a new file of its own."""
    safe = re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "image"
    unique, number = safe, 1
    while unique in taken:
        number += 1
        unique = f"{safe}_{number}"
    taken.add(unique)
    return unique
