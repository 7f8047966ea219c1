"""The atoms of an image as a user left them: candidates above the threshold, less and more by hand."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw
from scipy.spatial import cKDTree

from stemforge.app.sessions.records import Edits, Polygon, shown_atoms
from stemforge.infer import find_specimen, refine_places
from stemforge.infer.atoms.detection import UNKNOWN_SAMPLING
from stemforge.infer.atoms.places.refinement import FARTHEST, WIDTH
from stemforge.infer.specimen.mask import Specimen
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import UsableArea, usable_area

BY_HAND = "by_hand"
"""Column of tables: 1 where an atom was added by hand."""
MASKED = "masked by hand"
MOVED = 1e-3
"""Distance from which a place is another one [pixel]: other programs may keep places with less precision."""


def _certain(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return likelihood 1 for each place that a user chose."""
    return np.ones(len(places))


@dataclass(frozen=True, eq=False)
class EditedImage:
    """An image with what was found on it and what a user changed.

    Parameters
    ----------
    micrograph
        The image.
    candidates
        All of them, with their columns.
    edits
        What the user changed.
    usable
        What of the image shows specimen, without the areas masked by hand.
    facts
        What is known of the detection.
    score
        Gives likelihoods of atoms at places (x, y) that were added by hand; 1 where no network is asked.

    Examples
    --------
    >>> micrograph = Micrograph(np.eye(40), 0.3)
    >>> candidates = Annotations([[10, 10], [20, 20], [30, 30]], columns={"score": [0.9, 0.8, 0.2]})
    >>> usable = UsableArea(np.ones((40, 40), dtype=bool), {})
    >>> image = EditedImage(micrograph, candidates, Edits(threshold=0.5), usable, {})
    >>> image.chosen.points.tolist()
    [[10.0, 10.0], [20.0, 20.0]]
    >>> image.corrected([[20, 20], [5, 35]]).edits
    Edits(threshold=0.5, removed=[0], added=[(5.0, 35.0)], masks=[])
    """

    micrograph: Micrograph
    candidates: Annotations
    edits: Edits
    usable: UsableArea
    facts: Mapping[str, Any]
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]] = _certain

    @property
    def chosen(self) -> Annotations:
        """Atoms that are shown, with their columns (1 where added by hand, but ``score``) and :data:`BY_HAND`."""
        kept, added = shown_atoms(self.candidates.points, self.candidates["score"], self.edits)
        points = np.concatenate([self.candidates.points[kept], added])
        columns = {
            name: np.concatenate(
                [values[kept], self.score(added) if name == "score" else np.ones(len(added))]
            )
            for name, values in self.candidates.columns.items()
        }
        by_hand = np.repeat([0, 1], [len(kept), len(added)])
        return Annotations(points, columns={**columns, BY_HAND: by_hand})

    @property
    def specimen(self) -> Specimen:
        """Where there is specimen, as far as it is usable and not masked."""
        return find_specimen(self.micrograph, self.usable).believed(self.chosen.points, self.usable)

    def corrected(self, places: ArrayLike) -> "EditedImage":
        """Return the image with the atoms that a user left of those that are shown, and those that the user placed.

        Parameters
        ----------
        places
            Of all of them (x, y) [pixel], shape (n, 2). What stands where a candidate is shown is that candidate, once;
            others were placed by hand. A candidate that was moved is one taken out and one placed.
        """
        points = Annotations(places).points
        shown, _ = shown_atoms(self.candidates.points, self.candidates["score"], self.edits)
        distance, nearest = cKDTree(self.candidates.points[shown]).query(points)
        moved = distance > MOVED
        gone = set(range(len(shown))) - set(nearest[~moved].tolist())
        removed = sorted({*self.edits.removed, *shown[list(gone)].tolist()})
        added = list(dict.fromkeys(map(tuple, points[moved].tolist())))
        edits = Edits(threshold=self.edits.threshold, removed=removed, added=added, masks=self.edits.masks)
        return replace(self, edits=edits)

    def measured(self) -> Annotations:
        """Return the atoms that are shown with places and intensities fitted to the image, all together."""
        atoms = self.chosen
        if not len(atoms):
            return atoms
        width = WIDTH / (self.facts.get("sampling") or UNKNOWN_SAMPLING)
        columns = dict(atoms.columns)
        by_hand = columns.pop(BY_HAND)
        if "sigma_px" in columns:
            columns["sigma_px"] = np.where(by_hand, FARTHEST * width / np.sqrt(2), columns["sigma_px"])
        filled = self.usable.fill(self.micrograph.image)
        fitted = refine_places(filled, Annotations(atoms.points, columns=columns), width, self.usable.mask)
        return Annotations(fitted.points, columns={**fitted.columns, BY_HAND: by_hand})


def edited_image(folder: str, name: str, sampling: float | None, edits: Mapping[str, Any]) -> EditedImage:
    """Read an image's folder.

    Parameters
    ----------
    folder
        Where the server keeps the image.
    name
        As the user calls it.
    sampling
        Pixel size [Å].
    edits
        As JSON has them.
    """
    place = Path(folder)
    wanted = Edits.model_validate(edits)
    image, usable = _read(place / "image.tif", (place / "image.tif").stat().st_mtime_ns)
    micrograph = Micrograph(image, sampling, "HAADF", name)
    known = json.loads((place / "atoms.json").read_text(encoding="utf-8"))
    table = np.load(place / "atoms.npy")
    columns = {column: table[:, n] for n, column in enumerate(known["columns"]) if n > 1}
    candidates = Annotations(table[:, :2], columns=columns)
    return EditedImage(micrograph, candidates, wanted, _without(usable, wanted.masks), known["facts"])


def painted(polygons: list[Polygon], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels within polygons (x, y) [pixel], shape (height, width).

    Examples
    --------
    >>> int(painted([[(1, 1), (3, 1), (3, 2), (1, 2)]], (5, 5)).sum())
    6
    """
    canvas = Image.new("1", (shape[1], shape[0]))
    pencil = ImageDraw.Draw(canvas)
    for polygon in polygons:
        pencil.polygon([(x, y) for x, y in polygon], fill=1)
    return np.asarray(canvas, dtype=bool)


@lru_cache(maxsize=2)
def _read(path: Path, _stamp: int) -> tuple[NDArray[np.float32], UsableArea]:
    image = tifffile.imread(path)
    return image, usable_area(image)


def _without(usable: UsableArea, polygons: list[Polygon]) -> UsableArea:
    if not polygons:
        return usable
    area = painted(polygons, (usable.mask.shape[0], usable.mask.shape[1]))
    share = float(np.mean(usable.mask & area))
    return UsableArea(usable.mask & ~area, {**usable.reasons, MASKED: share} if share else usable.reasons)
