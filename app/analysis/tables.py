"""Files of edited images: tables, overlays, and the folder with a record that the commands of stemforge go on with."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import stemforge
from stemforge.app.analysis.edited import EditedImage, edited_image
from stemforge.app.analysis.names import file_stems
from stemforge.files import make_folder
from stemforge.infer import Detection, draw_detection
from stemforge.infer.batch import file_stamp
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.writers import write_tiff
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord

IMAGES, TABLES, MASKS, LABELS = "images", "atoms", "masks", "labels"
"""Folders of images, tables, masks, and labels to learn from."""

Entry = Mapping[str, Any]
"""What the server says of an image: folder, name, sampling, edits, and more of its record."""


def write_table(folder: str, name: str, sampling: float | None, edits: Entry, out: str) -> int:
    """Write the atoms that are shown as `stemforge infer atoms` does; return how many there are."""
    atoms = edited_image(folder, name, sampling, edits).measured()
    atoms.to_csv(out, sampling)
    return len(atoms)


def write_overlay(
    folder: str, name: str, sampling: float | None, edits: Entry, out: str, expected_f1: float | None
) -> None:
    """Draw the atoms that are shown on their image."""
    image = edited_image(folder, name, sampling, edits)
    draw_detection(detection_of(image, image.measured(), expected_f1), out)


def detection_of(image: EditedImage, atoms: Annotations, expected_f1: float | None) -> Detection:
    """Return edited atoms as a detection."""
    return Detection(
        image.micrograph,
        atoms,
        np.zeros((1, 1), dtype=np.float32),
        image.micrograph.sampling,
        image.edits.threshold,
        expected_f1=expected_f1,
        usable=image.usable,
        specimen=image.specimen,
    )


def write_tables(images: list[dict[str, Any]], out: Path, overlays: bool = False) -> Iterator[str]:
    """Write images and tables into a folder, as `stemforge infer atoms` leaves them; yield each name when it is done.

    Parameters
    ----------
    images
        What the server says of each.
    out
        Folder for ``images/`` and ``atoms/`` with ``run.json``; and ``masks/`` where areas were masked by hand.
    overlays
        Draw the atoms, too.
    """
    for folder in (IMAGES, TABLES):
        make_folder(out / folder)
    masked = any(one["edits"]["masks"] for one in images)
    if masked:
        make_folder(out / MASKS)
    record = RunRecord(ResultFolder(out / TABLES), "infer atoms")
    for stem, one in zip(file_stems(image["name"] for image in images), images, strict=True):
        image = edited_image(one["folder"], one["name"], one["sampling"], one["edits"])
        write_atoms(image, one, stem, record, overlays)
        if masked:
            write_tiff(out / MASKS / f"{stem}.tif", image.specimen.mask.astype(np.float32))
        yield stem
    record.save()


def write_atoms(image: EditedImage, one: Entry, stem: str, record: RunRecord, overlay: bool) -> Annotations:
    """Write an image and the table of its atoms, and note it in the record; return the atoms.

    Parameters
    ----------
    image
        The image with its corrections.
    one
        What else is known of it: ``expected_f1``, ``sampling_in_file`` and ``sampling_source``.
    stem
        Of the files.
    record
        In the folder of tables; the image goes into :data:`IMAGES` beside that.
    overlay
        Draw the atoms, too.
    """
    folder = record.folder.path
    picture, table = folder.parent / IMAGES / f"{stem}.tif", folder / f"{stem}.csv"
    atoms = image.measured()
    write_tiff(picture, image.micrograph.image, image.micrograph.sampling)
    atoms.to_csv(table, image.micrograph.sampling)
    results = [table.name]
    if overlay:
        draw_detection(detection_of(image, atoms, one["expected_f1"]), table.with_suffix(".png"))
        results.append(f"{stem}.png")
    record.add(stem, {**_entry(one, image, picture, len(atoms)), "results": results})
    return atoms


def _entry(one: Entry, image: EditedImage, picture: Path, atoms: int) -> dict[str, Any]:
    """Return what ``run.json`` says of an image; what corrections by hand make untrue is left out."""
    edits = image.edits
    corrected = bool(edits.removed or edits.added or edits.masks)
    density = image.facts.get("density")
    entry = {
        "file": picture.absolute(),
        "stamp": file_stamp(picture),
        "stemforge": stemforge.__version__,
        "weights": image.facts.get("weights", ""),
        "atoms": atoms,
        "threshold": round(edits.threshold, 4),
        "expected_f1": one["expected_f1"],
        "corrected_by_hand": {name: len(getattr(edits, name)) for name in ("removed", "added", "masks")},
        "sampling": {"angstrom": image.micrograph.sampling, "in_file": one["sampling_in_file"]},
        "doubts": list(image.facts.get("doubts", ())),
    }
    if one["sampling_source"] == "estimated":
        entry["sampling"]["estimated"] = True
    if density is not None and not corrected:
        entry["visible_atoms_per_nm2"] = dict(zip(("expected", "low", "high"), density, strict=True))
    return entry


def note_progress(folder: Path, share: float | None, message: str) -> None:
    """Leave word of how far a job is, where the server looks for it."""
    path = folder / "progress.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"progress": share, "message": message}), encoding="utf-8")
    partial.replace(path)
