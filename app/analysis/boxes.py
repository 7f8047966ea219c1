"""Boxes about molecules: kept with all that are less likely, so that a slider can choose, and written as files."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from stemforge.app.analysis.names import file_stems
from stemforge.infer.molecules.detection import MoleculeDetection
from stemforge.infer.molecules.figure import draw_molecules
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.simulate.labels.boxes import BoxDefinition

BOXES = "boxes.npz"
"""File of all candidates."""
_SHOWN = "as_seen.npy"


def keep_boxes(detection: MoleculeDetection, folder: Path) -> dict[str, Any]:
    """Keep all candidates of a detection; return what the page draws of them."""
    every = detection.molecules if detection.candidates is None else detection.candidates
    boxes = np.zeros((0, 4)) if every.boxes is None else every.boxes
    columns: dict[str, Any] = {f"column_{name}": _storable(values) for name, values in every.columns.items()}
    np.save(folder / _SHOWN, detection.shown)
    np.savez(
        folder / BOXES,
        boxes=boxes,
        threshold=detection.threshold,
        sampling=np.nan if detection.sampling is None else detection.sampling,
        definition=detection.definition.margin,
        **columns,
    )
    return {
        "corners": boxes.round(2),
        "likelihood": _likelihood(every),
        "state": [str(one) for one in every.columns["state"]] if "state" in every.columns else [],
        "threshold": float(detection.threshold),
    }


def write_boxes(folder: str, image: str, name: str, threshold: float | None, out: str) -> int:
    """Write the boxes from a likelihood on as `infer molecules` does; return how many there are.

    Parameters
    ----------
    folder
        In which they were kept.
    image, name
        File of the image, and what it is called.
    threshold
        Likelihood from which a box counts; None takes what was chosen for the image.
    out
        File, CSV or PNG.
    """
    detection = _detection(Path(folder), image, name, threshold)
    if out.endswith(".csv"):
        detection.to_csv(out)
    else:
        draw_molecules(detection, out)
    return len(detection.molecules)


def write_archive(folder: str, image: str, name: str, threshold: float | None, out: str) -> int:
    """Pack all files of an image, called as the commands call them, with what ``run.json`` would say; count them."""
    place, stem = Path(folder), file_stems([name])[0]
    files = {
        f"{stem}.tif": Path(image),
        f"{stem}_restored.tif": place / "restored.tif",
        f"{stem}_occupancy.csv": place / "channels.csv",
        f"{stem}_occupancy.png": place / "channels.png",
    }
    if (place / BOXES).is_file():
        for ending in (".csv", ".png"):
            files[f"{stem}_molecules{ending}"] = Path(f"{out}{ending}")
            write_boxes(folder, image, name, threshold, f"{out}{ending}")
    record = json.loads((place / "answers.json").read_text(encoding="utf-8")).get("record")
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as pack:
            for inner, path in files.items():
                if path.is_file():
                    pack.write(path, f"{stem}/{inner}")
            if record is not None:
                text = json.dumps({"infer occupancy": {stem: record}}, indent=2, ensure_ascii=False)
                pack.writestr(f"{stem}/run.json", text)
    finally:
        for ending in (".csv", ".png"):
            Path(f"{out}{ending}").unlink(missing_ok=True)
    return len(files)


def _detection(folder: Path, image: str, name: str, threshold: float | None) -> MoleculeDetection:
    with np.load(folder / BOXES, allow_pickle=False) as kept:
        columns = {
            key.removeprefix("column_"): kept[key].astype(object)
            if kept[key].dtype.kind == "U"
            else kept[key]
            for key in kept.files
            if key.startswith("column_")
        }
        every = Annotations.of_boxes(kept["boxes"], columns)
        limit = float(kept["threshold"]) if threshold is None else threshold
        sampling = None if np.isnan(kept["sampling"]) else float(kept["sampling"])
        margin = str(kept["definition"])
    chosen = every.where(_likelihood(every) >= limit)
    micrograph = Micrograph(tifffile.imread(image), sampling, name=name)
    shown = np.load(folder / _SHOWN)
    return MoleculeDetection(micrograph, chosen, shown, limit, sampling, BoxDefinition.parse(margin), every)


def _likelihood(boxes: Annotations) -> np.ndarray:
    """Return how likely each is right: the score where the detector is not calibrated."""
    return np.asarray(boxes.columns.get("likelihood", boxes.columns["score"]), dtype=float)


def _storable(values: np.ndarray) -> np.ndarray:
    return values.astype(str) if values.dtype == object else values
