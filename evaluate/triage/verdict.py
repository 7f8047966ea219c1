"""From measures to a verdict in plain words, with everything that makes an image doubtful."""

from collections.abc import Iterator
from dataclasses import replace

from stemforge.evaluate.triage.result import DOUBTFUL, NONE, OPEN, ImageTriage
from stemforge.micrograph.flaws.processed import cut_off_share, noise_fades
from stemforge.micrograph.image import Micrograph

NO_ATOMS, ATOMS = 0.1, 0.9
"""Probability of an atom up to which there are none, and from which there are some."""
BLURRED = 4.0
"""Full width of the finest detail from which an image is out of focus [Å]; an atom's on thick carbon is 2.6 Å."""
JITTERS = 0.8
"""Displacement of lines, root mean square, from which they disturb places and shapes of atoms [Å]."""
THICK_SHARE = 0.3
"""Share of the specimen that may be thick."""
VACUUM_SHARE = 0.7
"""Share of the image that may be vacuum."""
LEFT_OUT_SHARE = 0.3
"""Share of the image that may be unusable."""
WIDTHS = (0.7, 4.5)
"""Full widths that atoms' images have [Å]: of the best corrected probes to those with a large source out of focus."""


def judged(found: ImageTriage, micrograph: Micrograph, least_f1: float) -> ImageTriage:
    """Return the measures of an image with their verdict.

    Parameters
    ----------
    found
        Measures.
    micrograph
        The image.
    least_f1
        Expected F1 from which the detector's likelihoods promise enough.

    Returns
    -------
    ImageTriage
        ``no atoms`` by the probability of one; ``open first`` where nothing speaks against it; else ``doubtful`` with
        reasons.
    """
    chance = found.atoms_probability or 0.0
    if chance <= NO_ATOMS:
        return replace(found, verdict=NONE)
    reasons = (*_uncertain(found, least_f1), *_blurred(found), *_hidden(found), *_doubts(found, micrograph))
    return replace(found, verdict=DOUBTFUL if reasons else OPEN, reasons=reasons)


def _uncertain(found: ImageTriage, least_f1: float) -> Iterator[str]:
    chance = found.atoms_probability or 0.0
    if chance < ATOMS:
        yield f"atoms or none: probability {chance:.2f}"
    elif found.expected_f1 is not None and found.expected_f1 < least_f1:
        yield f"atoms hardly stand out: expected F1 {found.expected_f1:.2f}"


def _blurred(found: ImageTriage) -> Iterator[str]:
    detail, jitter = found.finest_detail_angstrom, found.line_jitter_angstrom
    if detail is not None and detail > BLURRED:
        yield f"out of focus: nothing finer than {detail:.1f} Å"
    if jitter is not None and jitter > JITTERS:
        yield f"lines jitter by {jitter:.1f} Å"


def _hidden(found: ImageTriage) -> Iterator[str]:
    """Yield what hides the specimen, or leaves little of it."""
    if (found.thick_share or 0.0) > THICK_SHARE:
        yield f"{100 * (found.thick_share or 0):.0f} % of the specimen is thick or contaminated"
    if (found.vacuum_share or 0.0) > VACUUM_SHARE:
        yield f"{100 * (found.vacuum_share or 0):.0f} % vacuum"
    if (found.left_out_share or 0.0) > LEFT_OUT_SHARE:
        yield f"{100 * (found.left_out_share or 0):.0f} % shows no specimen"


def _doubts(found: ImageTriage, micrograph: Micrograph) -> Iterator[str]:
    """Yield what makes pixel size and likelihoods doubtful."""
    width = found.atom_width_angstrom
    if found.sampling_angstrom is None:
        yield "no pixel size"
    elif width is not None and not WIDTHS[0] <= width <= WIDTHS[1]:
        yield f"pixel size doubtful: atoms would be {width:.1f} Å wide"
    if noise_fades(micrograph.image):
        yield "filtered or resampled: likelihoods do not hold"
    share = cut_off_share(micrograph.image)
    if share:
        yield f"{100 * share:.0f} % of the pixels are cut off at the largest value"
