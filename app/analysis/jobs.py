"""Jobs: a report, everything as one ZIP file, and labels that networks learn from."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.app.analysis.edited import edited_image, painted
from stemforge.app.analysis.names import file_stems
from stemforge.app.analysis.tables import (
    IMAGES,
    LABELS,
    MASKS,
    TABLES,
    note_progress,
    write_tables,
)
from stemforge.evaluate.reports.files import PAGE, report_files
from stemforge.evaluate.statistics.reading import Sources
from stemforge.files import make_folder, write_json
from stemforge.infer.resampling import resampled, scaled_places
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.usable import UsableArea
from stemforge.micrograph.writers import write_tiff
from stemforge.outputs.folder import ResultFolder

Made = list[dict[str, str]]
"""Name for downloads and path of each file that a job made."""


def make_report(images: list[dict[str, Any]], out: str, title: str) -> dict[str, Any]:
    """Make the report of several images with their corrections, as `stemforge report` does.

    Parameters
    ----------
    images
        What the server says of each.
    out
        Folder of the job.
    title
        Of the page.
    """
    folder = Path(out)
    _write(images, folder, 0.5)
    note_progress(folder, 0.5, "statistics")
    masks = [folder / MASKS] if (folder / MASKS).is_dir() else []
    page = report_files(
        [folder / TABLES],
        ResultFolder(folder / "report", overwrite=True),
        sources=Sources(masks=masks),
        title=title,
        quiet=True,
    )
    archive = _zipped(folder / "report", folder / "report.zip", "report")
    files = [
        {"name": "report.html", "path": str(folder / "report" / PAGE)},
        {"name": "report.zip", "path": str(archive)},
    ]
    return {"files": files, "message": page.lead}


def make_archive(images: list[dict[str, Any]], out: str) -> dict[str, Any]:
    """Put tables, overlays, images and corrections into one ZIP file."""
    folder = Path(out)
    _write(images, folder, 0.9, overlays=True)
    stems = file_stems(one["name"] for one in images)
    kept = ("name", "sampling", "sampling_source", "detector", "threshold", "edits")
    corrections = {stem: {name: one[name] for name in kept} for stem, one in zip(stems, images, strict=True)}
    write_json(folder / "corrections.json", corrections)
    archive = _zipped(
        folder, folder / "stemforge.zip", "stemforge", (IMAGES, TABLES, MASKS, "corrections.json")
    )
    message = f"{len(images)} images with their tables, overlays and corrections"
    return {"files": [{"name": "stemforge.zip", "path": str(archive)}], "message": message}


def make_labels(images: list[dict[str, Any]], out: str) -> dict[str, Any]:
    """Make labels of corrected atoms, as `stemforge ingest` takes them, beside their images.

    What was masked by hand is filled with a smooth background and noise: it holds no labels, and must hold no atoms.
    """
    folder = Path(out)
    number = write_labels(images, folder)
    archive = _zipped(folder, folder / "labels.zip", "labels", (IMAGES, LABELS))
    message = (
        f"{number} labels on {len(images)} images; unpack the file, then: "
        "stemforge ingest labels/images --labels labels/labels --out corpus"
    )
    return {"files": [{"name": "labels.zip", "path": str(archive)}], "message": message}


def write_labels(images: list[dict[str, Any]], folder: Path, sampling: float | None = None) -> int:
    """Write images and labels into a folder, brought to a pixel size [Å]; return how many labels there are."""
    for name in (IMAGES, LABELS):
        make_folder(folder / name)
    number = 0
    for n, (stem, one) in enumerate(zip(file_stems(one["name"] for one in images), images, strict=True)):
        image = edited_image(one["folder"], one["name"], one["sampling"], one["edits"])
        masked = painted(image.edits.masks, image.micrograph.shape)
        filled = UsableArea(~masked, {}).fill(image.micrograph.image)
        atoms = image.measured()
        # A fit may have moved an atom at the frame off the image.
        atoms = atoms.where(atoms.inside(filled.shape))
        shown, pixel = resampled(filled, one["sampling"], sampling, white=True)
        if shown is not filled:
            # Only places: intensities and widths are of the image's pixels.
            atoms = Annotations(scaled_places(atoms.points, np.divide(shown.shape, filled.shape)[::-1]))
        write_tiff(folder / IMAGES / f"{stem}.tif", shown, pixel)
        atoms.to_csv(folder / LABELS / f"{stem}.csv", pixel)
        number += len(atoms)
        note_progress(folder, (n + 1) / len(images), stem)
    return number


def _write(images: list[dict[str, Any]], folder: Path, share: float, overlays: bool = False) -> None:
    for n, stem in enumerate(write_tables(images, folder, overlays)):
        note_progress(folder, share * (n + 1) / len(images), stem)


def _zipped(folder: Path, archive: Path, top: str, names: tuple[str, ...] = ()) -> Path:
    """Pack a folder, or some files and folders in it; folders of the server are not named in it."""
    chosen = [folder / name for name in names] or [folder]
    files = sorted(
        path for one in chosen for path in ([one] if one.is_file() else one.rglob("*")) if path.is_file()
    )
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as pack:
        for path in files:
            inner = f"{top}/{path.relative_to(folder).as_posix()}"
            if path.name == "run.json":
                pack.writestr(inner, _without_folders(path))
            else:
                pack.write(path, inner)
    return archive


def _without_folders(path: Path) -> str:
    """Return a record whose files are named as they lie beside it in the archive."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for entries in content.values():
        for entry in entries.values():
            if "file" in entry:
                entry["file"] = f"../{IMAGES}/{Path(entry['file']).name}"
    return json.dumps(content, indent=2, ensure_ascii=False)
