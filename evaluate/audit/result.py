"""What an audit of labels found: in words, as JSON, as repaired tables and pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stemforge.evaluate.audit.figure import draw_labels
from stemforge.evaluate.audit.findings import Verdict
from stemforge.files import write_figure, write_json
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph

# Fewer labels on bright spots than this are worth a remark; on the 11 real Pt/NC images it is 88 % at least.
_MOST = 0.6


@dataclass(frozen=True)
class Audit:
    """What is known of the labels of a set of images.

    Parameters
    ----------
    verdicts
        One for each file of labels.
    micrographs
        The images by name.

    Examples
    --------
    >>> from stemforge.evaluate.audit.findings import Fault
    >>> points = np.array([[4.0, 5.0], [20.0, 9.0]])
    >>> fault = Fault("transposed", "x and y are exchanged")
    >>> verdict = Verdict("a", "a", points, (fault,), ("a", "a"), points[:, ::-1], certain=True)
    >>> audit = Audit((verdict,), {"a": Micrograph(np.eye(32), name="a")})
    >>> audit.lines(), audit.repaired()["a"].points.tolist()
    (['a: x and y are exchanged', '0 of 1 files of labels fit their images'], [[5.0, 4.0], [9.0, 20.0]])
    """

    verdicts: tuple[Verdict, ...]
    micrographs: Mapping[str, Micrograph] = field(repr=False)

    @property
    def sound(self) -> bool:
        """Whether no fault was found in any file."""
        return all(verdict.sound for verdict in self.verdicts)

    def lines(self) -> list[str]:
        """Return every fault as a line, then what could not be decided, then how many files were found sound."""
        lines = [f"{verdict.table}: {fault.message}" for verdict in self.verdicts for fault in verdict.faults]
        lines += [f"{verdict.table}: {verdict.note}" for verdict in self.verdicts if verdict.note]
        for verdict in self.verdicts:
            if verdict.share is not None and verdict.share[2] < _MOST:
                share, low, high = (round(100 * value) for value in verdict.share)
                text = f"{share} % ({low} to {high} %) of the labels lie on bright spots"
                lines.append(f"{verdict.table}: only {text}; the others are too faint to see, or wrong")
        lines += [
            f"{verdict.table}: none of its rows belongs to {verdict.image}; its labels are missing, no table is written"
            for verdict in self.verdicts
            if verdict.image in self._emptied()
        ]
        right = sum(verdict.sound and not verdict.note for verdict in self.verdicts)
        return [*lines, f"{right} of {len(self.verdicts)} files of labels fit their images"]

    def repaired(self) -> dict[str, Annotations]:
        """Return the mended labels, by image, of every image whose labels change and for which the mend is certain.

        Rows go to the image on which they belong, in pixels; duplicates, rows off the image and rows that fit nowhere
        are left out, and so is a row that another file has for the same atom. An image gets no labels where its file,
        or one from which rows come, cannot be mended with certainty, or where no row is left: its labels are not known,
        which is another thing than that it has no atoms.
        """
        return {name: table for name, table in self._mended().items() if len(table)}

    def _emptied(self) -> set[str]:
        return {name for name, table in self._mended().items() if not len(table)}

    def _mended(self) -> dict[str, Annotations]:
        changed = {verdict.image for verdict in self.verdicts if verdict.faults}
        changed |= {
            name
            for verdict in self.verdicts
            if verdict.certain
            for name in verdict.images
            if name is not None and name != verdict.image
        }
        unsure = {verdict.image for verdict in self.verdicts if verdict.faults and not verdict.certain}
        tables = {}
        for name in sorted(changed - unsure):
            given = [
                verdict.placed[[image == name for image in verdict.images]]
                # The image's file first: its rows stay where another file has the same atom.
                for verdict in sorted(self.verdicts, key=lambda one: one.image != name)
                if verdict.certain
            ]
            tables[name] = Annotations(_merged(given))
        return tables

    def to_json(self, path: str | Path) -> None:
        """Write every verdict, with its faults and evidence, and where each row belongs."""
        write_json(path, {"sound": self.sound, "files": [_record(verdict) for verdict in self.verdicts]})

    def figure(self, image: str) -> Figure:
        """Draw the labels of an image as its file has them, and where they belong."""
        verdict = next(one for one in self.verdicts if one.image == image)
        repaired = self.repaired().get(image)
        return draw_labels(self.micrographs[image], verdict, None if repaired is None else repaired.points)

    def write(self, out: str | Path) -> list[Path]:
        """Write ``audit.json``, the repaired tables, and a picture of each image with faults; return the files.

        A repaired table has the name of the file whose labels it replaces and columns ``x_px,y_px,x_nm,y_nm``; the
        other columns of the files are left out.
        """
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        files = [out / "audit.json"]
        self.to_json(files[0])
        names = {verdict.image: verdict.table for verdict in self.verdicts}
        for image, table in self.repaired().items():
            files.append(out / f"{names.get(image, image)}.csv")
            table.to_csv(files[-1], self.micrographs[image].sampling)
        for verdict in self.verdicts:
            if verdict.faults:
                files.append(out / f"{verdict.image}_labels.png")
                write_figure(self.figure(verdict.image), files[-1])
        return files


def _merged(given: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Put tables together; rows that mark an atom of an earlier table are left out."""
    points = np.empty((0, 2))
    for table in given:
        if len(points) and len(table):
            away = np.hypot(*(table[:, None] - points).transpose(2, 0, 1)).min(axis=1)
            table = table[away > 2]
        points = np.concatenate([points, table])
    return points


def _record(verdict: Verdict) -> dict[str, Any]:
    return {
        "image": verdict.image,
        "table": verdict.table,
        "sound": verdict.sound,
        "note": verdict.note,
        "certain": verdict.certain,
        "faults": verdict.faults,
        "log_evidence_as_given": verdict.evidence[0],
        "log_evidence_as_mended": verdict.evidence[1],
        "evidence_map": verdict.basis,
        "share_on_spots": verdict.share,
        "rows": [
            {"x": x, "y": y, "image": image, "x_px": column, "y_px": row}
            for (x, y), image, (column, row) in zip(
                verdict.points, verdict.images, verdict.placed, strict=True
            )
        ],
    }
