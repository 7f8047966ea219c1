"""Saying what of an image shows no specimen, and what makes its likelihoods doubtful."""

from stemforge.console import say
from stemforge.errors import MicrographError
from stemforge.micrograph.flaws.periodic import shows_lattice
from stemforge.micrograph.flaws.processed import cut_off_share, noise_fades
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import UsableArea, usable_area

EXPLAINED = 0.9
"""Share of the average cell's variance from which a crystal counts as what an image shows."""


def little_explained(subject: str, share: float, kind: str, answer: str) -> list[str]:
    """Return a sentence on a crystal that explains too little of its image's average cell; none where it does enough.

    Examples
    --------
    >>> little_explained("framework", 0.95, "framework", "columns")
    []
    """
    if share >= EXPLAINED:
        return []
    return [
        f"the {subject} explains {100 * share:.0f} % of the average cell: another {kind}, a tilted or damaged crystal, "
        f"or an image that is not iDPC; do not trust the {answer}"
    ]


def tell_left_out(micrograph: Micrograph, area: UsableArea) -> None:
    """Say what share of an image was left out, and why; nothing where all of it was used."""
    if area.reasons:
        say(f"{micrograph.name}: {area} shows no specimen and is left out")


def tell_unusable(micrograph: Micrograph) -> None:
    """Say what share of an image shows no specimen, and why, where it is used all the same."""
    remark = unusable_remark(micrograph)
    if remark is not None:
        say(remark)


def unusable_remark(micrograph: Micrograph) -> str | None:
    """Return a sentence on what share of an image shows no specimen, and why; None where all of it does."""
    try:
        area = usable_area(micrograph.image)
    except MicrographError as error:
        return f"{micrograph.name}: {error}"
    if not area.reasons:
        return None
    return f"{micrograph.name}: {area} shows no specimen; do not trust what is found there"


def tell_doubts(micrograph: Micrograph) -> list[str]:
    """Say why likelihoods on an annular image may not hold, and return it; they are calibrated on recorded images."""
    doubts = []
    if noise_fades(micrograph.image):
        doubts.append(
            "its noise fades at fine detail, as after filtering, upsampling or strong compression: likelihoods and "
            "expected F1 hold for images as recorded, take that instead"
        )
    share = cut_off_share(micrograph.image)
    if share:
        doubts.append(
            f"{100 * share:.0f} % of its pixels have the largest value: what is brighter was cut off, and atoms there "
            "cannot be found"
        )
    if shows_lattice(micrograph.image):
        doubts.append(
            "its power spectrum shows a lattice: columns of a crystal along a zone axis can be taken for atoms, and "
            "likelihoods and expected F1 do not hold there; single sheets, such as graphene, are what any-atom learnt"
        )
    for doubt in doubts:
        say(f"{micrograph.name}: {doubt}")
    return doubts
