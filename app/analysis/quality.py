"""How good the recording of one image is, as triage judges it: focus, scan, electrons, specimen, and a verdict."""

from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from stemforge.evaluate.triage.candidates import known_candidates
from stemforge.evaluate.triage.measuring import triage_candidates
from stemforge.evaluate.triage.result import COLUMNS, ImageTriage
from stemforge.files import plain
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import Card

_SMALL = "The image is too small, or noise hides all detail."
_FEW = "Fewer than four likely atoms, or they have no common width."
_FILTERED = "The image's noise does not tell: it may have been filtered, or show no specimen."

# Where the table's sentence does not stand alone beside its number.
_SENTENCES = {
    "line_jitter_angstrom": (
        "How far scan lines lie beside their places, root mean square: drift and a disturbed scan. From 0.8 Å on it "
        "disturbs places and shapes of atoms."
    ),
    "electrons_per_px": "Electrons detected on the specimen for each area of it, by the image's own noise.",
}


def judge(
    path: str, name: str, sampling: float | None, table: NDArray[np.float64], card: str
) -> dict[str, Any]:
    """Judge the recording of an image as `stemforge triage` does, by the candidates that a detector found on it.

    Parameters
    ----------
    path
        Of the image as the server keeps it.
    name
        As the user calls it.
    sampling
        Pixel size [Å], or None.
    table, card
        From :func:`stemforge.app.analysis.detection.detect`, or from
        :func:`stemforge.app.analysis.detection.find_likely`.

    Returns
    -------
    dict
        ``verdict``, ``reasons``, ``focus`` (0 to 1), and ``answers``, each with label, value, unit and explanation.
    """
    micrograph, known = Micrograph(tifffile.imread(path), sampling, name=name), Card.from_json(card)
    found = triage_candidates(
        micrograph, known_candidates(micrograph, table[:, :2], table[:, 2], known), known
    )
    return {
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "focus": plain(found.focus),
        "answers": plain(_answers(found)),
    }


def _answers(found: ImageTriage) -> list[dict[str, Any]]:
    """Return what is known, each with its unit and what it means."""
    no_size = None if found.sampling_angstrom is not None else "The pixel size is not known."
    length, area, unit = ("angstrom", "angstrom2", "per Å²") if no_size is None else ("px", "px", "per pixel")
    return [
        _answer("Chance of any atom", found.atoms_probability, "", "atoms_probability", ""),
        _answer("Focus", found.focus, "", "focus", no_size or _SMALL),
        _answer(
            "Finest detail",
            getattr(found, f"finest_detail_{length}"),
            COLUMNS[f"finest_detail_{length}"].unit,
            "finest_detail_angstrom",
            _SMALL,
        ),
        _answer(
            "Lines jitter by",
            getattr(found, f"line_jitter_{length}"),
            COLUMNS[f"line_jitter_{length}"].unit,
            "line_jitter_angstrom",
            _SMALL,
        ),
        _answer("Width of an atom", found.atom_width_angstrom, "Å", "atom_width_angstrom", no_size or _FEW),
        _answer("Electrons", getattr(found, f"electrons_per_{area}"), unit, "electrons_per_px", _FILTERED),
        _share("Thick or contaminated", found.thick_share, "thick_share", _FILTERED),
        _share("Vacuum", found.vacuum_share, "vacuum_share", ""),
        _share("Not usable", found.left_out_share, "left_out_share", ""),
    ]


def _share(label: str, value: float | None, column: str, lacking: str) -> dict[str, Any]:
    """Return a share in percent."""
    return _answer(label, None if value is None else 100 * value, "%", column, lacking)


def _answer(label: str, value: float | None, unit: str, column: str, lacking: str) -> dict[str, Any]:
    """Return a value with the sentence that the table of triage has for it, and why it is not known."""
    sentence = _SENTENCES.get(column, COLUMNS[column].sentence)
    if COLUMNS[column].unit.startswith("of "):
        sentence = f"{sentence.removesuffix('.')}; {COLUMNS[column].unit}."
    if value is None:
        sentence = f"{sentence} Not known here. {lacking}".strip()
    return {"label": label, "value": value, "low": None, "high": None, "unit": unit, "explanation": sentence}
