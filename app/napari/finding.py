"""Atoms on one image, as the panel finds, counts and keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from numpy.typing import ArrayLike

from stemforge.app.analysis.detection import Candidates, find_candidates
from stemforge.app.analysis.edited import BY_HAND, EditedImage
from stemforge.app.analysis.names import file_stems
from stemforge.app.analysis.statistics import count_atoms
from stemforge.app.analysis.tables import IMAGES, LABELS, TABLES, write_atoms
from stemforge.app.sessions.records import Edits
from stemforge.files import make_folder
from stemforge.infer.left_out import tell_doubts
from stemforge.infer.resampling import enough_memory, file_sampling, sampling_remark
from stemforge.infer.weights import load_finder
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import usable_area
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord


@dataclass(frozen=True)
class Summary:
    """What a user reads of an image.

    Parameters
    ----------
    count
        How many atoms there are.
    lines
        What else is known of them.
    doubts
        Why that may not hold.
    """

    count: str
    lines: tuple[str, ...]
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

    def summary(self) -> Summary:
        """Say how many atoms there are, how dense, and how far that can be trusted."""
        image, detection = self.image, self.candidates.detection
        atoms, area, density = count_atoms(image).answers
        lines = [
            f"{density['value']:.3g} ({density['low']:.3g} to {density['high']:.3g}) atoms {density['unit']} on "
            f"{area['value']:.4g} {area['unit']} of specimen; interval of 95 % by counting alone"
        ]
        beside = len(image.chosen) - atoms["value"]
        if beside:
            lines.append(f"{beside} more where there is no specimen")
        removed, added = len(image.edits.removed), len(image.edits.added)
        by_hand = removed + added > 0
        if by_hand:
            lines.append(f"By hand: {added} placed, {removed} taken out (who moves an atom does both)")
        elif detection.density is not None:
            expected, low, high = detection.density
            lines.append(
                f"{expected:.3g} ({low:.3g} to {high:.3g}) visible atoms per nm² by all likelihoods, also those below "
                "the threshold"
            )
        if detection.expected_f1 is not None:
            before = ", before corrections by hand" if by_hand else ""
            lines.append(
                f"Expected F1 {detection.expected_f1:.2f}{before} (1: every visible atom and nothing else)"
            )
        remark = sampling_remark(image.micrograph)
        doubts = [*self.candidates.remarks, *image.facts["doubts"], *([remark] if remark else [])]
        noun = "atom" if atoms["value"] == 1 else "atoms"
        return Summary(
            f"{atoms['value']} {noun}", tuple(lines), tuple(one[:1].upper() + one[1:] for one in doubts)
        )

    def placed_likelihoods(self) -> str:
        """Say which likelihoods the network gives to the atoms that were placed by hand; empty without any."""
        atoms = self.image.chosen
        score = sorted(atoms["score"][atoms[BY_HAND] == 1])
        if not score:
            return ""
        below = sum(one < self.threshold for one in score)
        span = " to ".join(dict.fromkeys(f"{one:.2f}" for one in (score[0], score[-1])))
        return f"Likelihood of what was placed by hand: {span}; {below} of {len(score)} below {self.threshold:.2f}"

    @property
    def stem(self) -> str:
        """Name of the files without ending."""
        return file_stems([f"{self.image.micrograph.name}.tif"])[0]

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
