"""Atoms on one image, as the panel finds, counts and keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from stemforge.app.analysis.detection import Candidates, find_candidates
from stemforge.app.analysis.edited import BY_HAND, MOVED, EditedImage
from stemforge.app.analysis.names import file_stems
from stemforge.app.analysis.statistics import EXPECTED_F1, count_atoms
from stemforge.app.analysis.tables import IMAGES, LABELS, TABLES, write_atoms
from stemforge.app.napari.opened import atoms_of, threshold_of
from stemforge.app.sessions.records import Edits
from stemforge.errors import InputError
from stemforge.exchange.results import Result
from stemforge.files import make_folder
from stemforge.infer import Detection
from stemforge.infer.left_out import tell_doubts
from stemforge.infer.resampling import enough_memory, file_sampling, sampling_remark
from stemforge.infer.weights import load_finder
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import usable_area
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord

_BY_LIKELIHOODS = (
    "Visible atoms by the likelihoods of all candidates, also those below the threshold, and an interval that holds 95 "
    "in 100."
)
_OF_PLACED = "Of the atoms that were placed by hand, by the network: the highest within 0.88 Å of each."


class Row(NamedTuple):
    """What is known of an image: a label, a value with its unit, and what it means."""

    label: str
    value: str
    explanation: str


@dataclass(frozen=True)
class Summary:
    """What a user reads of an image.

    Parameters
    ----------
    count
        How many atoms there are.
    rows
        What else is known of them.
    doubts
        Why that may not hold.
    """

    count: str
    rows: tuple[Row, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Found:
    """Atoms that were found on an image, with a user's corrections.

    Parameters
    ----------
    candidates
        What the detector gave.
    image
        The atoms that are shown.
    """

    candidates: Candidates
    image: EditedImage

    @property
    def unscored(self) -> bool:
        """Whether an atom was placed by hand whose likelihood nobody asked a network for."""
        return bool(np.isnan(self.image.chosen["score"]).any())

    @property
    def threshold(self) -> float:
        """Likelihood from which candidates are shown."""
        return self.image.edits.threshold

    def at(self, threshold: float) -> "Found":
        """Return the same with the candidates from another likelihood on; corrections stay."""
        edits = Edits(**{**dict(self.image.edits), "threshold": threshold})
        return replace(self, image=replace(self.image, edits=edits))

    def corrected(self, places: ArrayLike) -> "Found":
        """Return the same with the atoms that a user left: places (x, y) [pixel] of all of them, shape (n, 2)."""
        return replace(self, image=self.image.corrected(places))

    def scored(self, weights: str) -> "Found":
        """Return the same with a network's likelihoods of what was placed by hand, where these are not known.

        Parameters
        ----------
        weights
            Of a network that looks at the image then, as for :func:`find_atoms`.
        """
        return self.scored_by(find_atoms(self.image.micrograph, weights)) if self.unscored else self

    def scored_by(self, again: "Found") -> "Found":
        """Return the same with unknown likelihoods as another search of the same image gives them."""
        known, network = self.image.score, again.candidates.detection.likelihood_at

        def score(places: NDArray[np.float64]) -> NDArray[np.float64]:
            likelihoods = known(places)
            unknown = np.isnan(likelihoods)
            likelihoods[unknown] = network(places[unknown])
            return likelihoods

        used, of_table = again.image.facts["weights"], self.image.facts["weights"]
        source = of_table or "unknown weights"
        remark = f"Likelihoods of what you placed are {used}'s; those of the table are of {source}."
        remarks = self.candidates.remarks if used == of_table else (*self.candidates.remarks, remark)
        candidates = replace(self.candidates, remarks=remarks)
        return replace(self, candidates=candidates, image=replace(self.image, score=score))

    def summary(self) -> Summary:
        """Say how many atoms there are, how dense, and how far that can be trusted."""
        image, detection = self.image, self.candidates.detection
        atoms, area, density = count_atoms(image).answers
        rows = [
            Row("Density", _spanned(density, density["unit"]), density["explanation"]),
            Row("Specimen", f"{area['value']:.4g} {area['unit']}", area["explanation"]),
        ]
        beside = len(image.chosen) - atoms["value"]
        if beside:
            rows.append(
                Row("Off the specimen", f"{beside}", "Atoms that are shown where there is no specimen.")
            )
        removed, added = len(image.edits.removed), len(image.edits.added)
        if removed or added:
            sentence = "An atom that was moved is one placed and one taken out."
            rows.append(Row("By hand", f"{added} placed, {removed} taken out", sentence))
        elif image.facts["density"] is not None:
            likely = dict(zip(("value", "low", "high"), image.facts["density"], strict=True))
            spanned = _spanned(likely, "per nm²")
            rows.append(Row("By likelihoods", spanned, _BY_LIKELIHOODS))
        if detection.expected_f1 is not None:
            rows.append(Row("Expected F1", f"{detection.expected_f1:.2f}", EXPECTED_F1))
        remark = sampling_remark(image.micrograph)
        doubts = [*self.candidates.remarks, *image.facts["doubts"], *([remark] if remark else [])]
        count = f"{atoms['value']} atom{'s'[: atoms['value'] != 1]}"
        return Summary(count, tuple(rows), tuple(one[:1].upper() + one[1:] for one in doubts))

    def placed_likelihoods(self) -> Row:
        """Say which likelihoods the network gives to the atoms that were placed by hand."""
        atoms = self.image.chosen
        score = sorted(atoms["score"][atoms[BY_HAND] == 1])
        if not score:
            return Row("Likelihood", "nothing was placed by hand", _OF_PLACED)
        below = sum(one < self.threshold for one in score)
        span = " to ".join(dict.fromkeys(f"{one:.2f}" for one in (score[0], score[-1])))
        return Row("Likelihood", f"{span}; {below} of {len(score)} below {self.threshold:.2f}", _OF_PLACED)

    @property
    def stem(self) -> str:
        """Name of the files without ending: that of the file that was opened, else made of the layer's name."""
        micrograph = self.image.micrograph
        return str(micrograph.metadata.get("file_stem") or file_stems([f"{micrograph.name}.tif"])[0])

    def check_folder(self, folder: Path, *, overwrite: bool = False, inputs: Sequence[Path] = ()) -> None:
        """Refuse a folder that :meth:`save` cannot write to, with an InputError."""
        table = f"{self.stem}.csv"
        made = {IMAGES: [f"{self.stem}.tif"], TABLES: [table, f"{self.stem}.png"], LABELS: [table]}
        for part, names in made.items():
            ResultFolder(folder / part, overwrite).check(names, inputs)
        RunRecord(ResultFolder(folder / TABLES, overwrite), "").check()

    def save(self, folder: Path, *, overwrite: bool = False, inputs: Sequence[Path] = ()) -> str:
        """Write tables, overlay and record as `stemforge infer atoms` does, the image, and labels; say what to do next.

        Parameters
        ----------
        folder
            Gets ``images/``, ``atoms/`` with ``run.json``, and ``labels/``, which `stemforge ingest` takes.
        overwrite
            Replace what is known of this image.
        inputs
            Files that must not be replaced.

        Raises
        ------
        InputError
            The folder holds results of an image of this name; nothing was written then.
        WriteError
            The disk does not take it.
        """
        self.check_folder(folder, overwrite=overwrite, inputs=inputs)
        for part in (IMAGES, TABLES, LABELS):
            make_folder(folder / part)
        record = RunRecord(ResultFolder(folder / TABLES, overwrite), "infer atoms")
        known = {
            "expected_f1": self.candidates.detection.expected_f1,
            "sampling_in_file": file_sampling(self.image.micrograph),
            "sampling_source": "user",
        }
        atoms = write_atoms(self.image, known, self.stem, record, overlay=True)
        record.save()
        # A fit may have moved an atom at the frame off the image.
        labels = atoms.where(atoms.inside(self.image.micrograph.shape))
        labels.to_csv(folder / LABELS / f"{self.stem}.csv", self.image.micrograph.sampling)
        return (
            f"{len(atoms)} atoms of {self.image.micrograph.name} are in {folder}; go on with stemforge analyse "
            f"{folder / TABLES}, or learn from them: stemforge ingest {folder / IMAGES} --labels {folder / LABELS}"
        )


def find_atoms(micrograph: Micrograph, weights: str) -> Found:
    """Find the atoms on an image.

    Parameters
    ----------
    micrograph
        The image with its pixel size.
    weights
        Name of weights that come with stemforge, or their file.

    Raises
    ------
    InputError
        Weights that find no atoms, an image without signal, pixels that cannot show atoms, or too little memory.
    """
    model, card = load_finder(weights, "atoms")
    with enough_memory(micrograph.name):
        found = find_candidates(micrograph, model, card)
    detection = found.detection
    facts = {
        "weights": Path(weights).name,
        "detector": weights,
        "doubts": tell_doubts(micrograph),
        **found.facts,
    }
    edits = Edits(threshold=found.threshold)
    usable = detection.usable or usable_area(micrograph.image)
    image = EditedImage(micrograph, detection.atoms, edits, usable, facts, detection.likelihood_at)
    return Found(found, image)


_DENSITY = ("expected", "low", "high")


def _numbers(*values: Any) -> tuple[float, ...] | None:
    """Return values that are all finite numbers; None where one is not."""
    if all(isinstance(value, int | float) and np.isfinite(value) for value in values):
        return tuple(float(value) for value in values)
    return None


def open_atoms(micrograph: Micrograph, result: Result) -> Found:
    """Take the atoms of a table for candidates; what the table does not tell is not known, and is not made up.

    Candidates below the table's threshold are missing. Expected F1 and the density by all likelihoods are those of
    ``run.json``, or missing. Likelihoods of places that the table does not have are NaN, until :meth:`Found.scored`.

    Parameters
    ----------
    micrograph
        The image.
    result
        Of which :func:`stemforge.app.napari.opened.atoms_of` gives atoms. Those off the image are left out.

    Examples
    --------
    >>> import numpy as np
    >>> image = Micrograph(np.random.default_rng(0).normal(100, 5, (64, 64)), 0.293, "HAADF", "film")
    >>> table = Annotations([[20, 30], [40, 9]], columns={"score": [0.9, 0.6]})
    >>> found = open_atoms(image, Result(Path("film.csv"), table, None, 0.293))
    >>> found.threshold, found.summary().count, found.unscored
    (0.6, '2 atoms', False)
    >>> found.corrected([[20, 30], [50, 50]]).unscored
    True
    """
    atoms = atoms_of(result)
    if atoms is None:
        raise InputError(f"{result.path}: has no column score with likelihoods between 0 and 1")
    threshold = threshold_of(atoms, result.entry)
    atoms = atoms.where(atoms.inside(micrograph.shape))
    columns = {name: values for name, values in atoms.columns.items() if name != BY_HAND}
    placed = atoms[BY_HAND] == 1
    candidates = Annotations(atoms.points, columns=columns).where(~placed)
    by_hand, likelihoods = atoms.points[placed], atoms["score"][placed]

    def score(places: NDArray[np.float64]) -> NDArray[np.float64]:
        distance, nearest = cKDTree(by_hand).query(places)
        return np.where(distance > MOVED, np.nan, np.append(likelihoods, np.nan)[nearest])

    usable = usable_area(micrograph.image)
    # Anybody may have written run.json: what is not as stemforge writes it counts as missing.
    expected_f1 = _numbers(result.entry.get("expected_f1"))
    density = result.entry.get("visible_atoms_per_nm2")
    known = _numbers(*(density.get(name) for name in _DENSITY)) if isinstance(density, Mapping) else None
    detection = Detection(
        micrograph,
        candidates,
        np.zeros((1, 1), dtype=np.float32),
        micrograph.sampling,
        threshold,
        expected_f1=expected_f1[0] if expected_f1 else None,
        usable=usable,
    )
    weights = str(result.entry.get("weights", ""))
    facts = {
        "weights": weights,
        "detector": weights,
        "doubts": tell_doubts(micrograph),
        "sampling": micrograph.sampling,
        "density": known,
    }
    remarks = [
        f"Opened from {result.path.name}, which has no candidates below {threshold:.2f}; Find atoms looks for them."
    ]
    if usable.reasons:
        remarks.append(f"Left out of the image: {usable}.")
    edits = Edits(threshold=threshold, added=[(x, y) for x, y in by_hand.tolist()])
    image = EditedImage(micrograph, candidates, edits, usable, facts, score)
    return Found(Candidates(detection, threshold, threshold, facts, tuple(remarks)), image)


def _spanned(answer: Mapping[str, Any], unit: str) -> str:
    """Return a number with its unit and the ends of its interval."""
    return f"{answer['value']:.3g} {unit} ({answer['low']:.3g} to {answer['high']:.3g})"
