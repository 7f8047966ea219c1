"""How a page's numbers were made, as a paragraph for a paper, with its references."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

import stemforge
from stemforge.evaluate.reports.facts import estimated_errors
from stemforge.evaluate.statistics.survey import Survey

_PACKAGES = ("numpy", "scipy", "scikit-image", "torch")


@dataclass(frozen=True)
class Reference:
    """A publication: authors, year and place, and its DOI where it has one."""

    text: str
    doi: str = ""


@dataclass(frozen=True)
class Methods:
    """Paragraphs, and what they refer to by number."""

    paragraphs: tuple[str, ...]
    references: tuple[Reference, ...]


MITCHELL = Reference("S. Mitchell et al., J. Am. Chem. Soc. 144, 8018 (2022)", "10.1021/jacs.1c12466")
PLATT = Reference("J. C. Platt, in Advances in Large Margin Classifiers, MIT Press, 61 (1999)")
GARWOOD = Reference("F. Garwood, Biometrika 28, 437 (1936)", "10.1093/biomet/28.3-4.437")
COCHRAN = Reference("W. G. Cochran, Sampling Techniques, 3rd ed., Wiley (1977)")
HANISCH = Reference(
    "K.-H. Hanisch, Math. Operationsforsch. Stat., Ser. Stat. 15, 409 (1984)", "10.1080/02331888408801788"
)
CLARK = Reference("P. J. Clark, F. C. Evans, Ecology 35, 445 (1954)", "10.2307/1931034")
RIPLEY = Reference("B. D. Ripley, J. R. Stat. Soc. B 39, 172 (1977)", "10.1111/j.2517-6161.1977.tb01615.x")
OHSER = Reference("J. Ohser, D. Stoyan, Biom. J. 23, 523 (1981)", "10.1002/bimj.4710230602")
STOYAN = Reference("D. Stoyan, H. Stoyan, Fractals, Random Shapes and Point Fields, Wiley (1994)")
RANKS = Reference("M. Myllymäki et al., J. R. Stat. Soc. B 79, 381 (2017)", "10.1111/rssb.12172")
LIESHOUT = Reference(
    "M. N. M. van Lieshout, A. J. Baddeley, Stat. Neerl. 50, 344 (1996)", "10.1111/j.1467-9574.1996.tb01501.x"
)
CORDERO = Reference("B. Cordero et al., Dalton Trans. 2832 (2008)", "10.1039/b801115j")


class _Text:
    """A text that is being written, with the numbers of its references in the order in which they come."""

    def __init__(self) -> None:
        self.references: list[Reference] = []

    def cite(self, *references: Reference) -> str:
        """Return references as numbers in brackets."""
        for one in references:
            if one not in self.references:
                self.references.append(one)
        return f"[{','.join(str(self.references.index(one) + 1) for one in references)}]"


def describe_methods(
    facts: Sequence[Mapping[str, Any]],
    samplings: Sequence[float | None],
    survey: Survey | None,
    *,
    masks: bool,
    element: str | None,
    unit: str,
) -> Methods:
    """Return the paragraph and its references.

    Parameters
    ----------
    facts
        What ``run.json`` says of each image; empty mappings where tables came from elsewhere.
    samplings
        Pixel size of each image [Å].
    survey
        The statistics, None without any.
    masks
        Whether masks were given.
    element
        Whose bond length was taken; None where it was given or there is none.
    unit
        Of areas.

    Examples
    --------
    >>> describe_methods([{}], [0.3], None, masks=True, element=None, unit="nm²").paragraphs[0]
    'Places of atoms on 1 image of 0.3 Å per pixel were read from tables.'
    """
    text = _Text()
    parts = [_detection(text, facts, samplings), _area(text, masks, len(samplings), unit)]
    if survey is not None:
        parts.append(_places(text, survey))
        if survey.bonded is not None:
            parts.append(_bonds(text, survey, element))
    packages = ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))
    parts.append(
        f"Computed by stemforge {stemforge.__version__} with Python {platform.python_version()}, {packages}."
    )
    return Methods(tuple(parts), tuple(text.references))


def _detection(text: _Text, facts: Sequence[Mapping[str, Any]], samplings: Sequence[float | None]) -> str:
    """Say how atoms were found."""
    images = f"{len(samplings)} image{'s' if len(samplings) > 1 else ''}"
    sizes = [size for size in samplings if size is not None]
    scale = "without known pixel size"
    if sizes:
        ends = dict.fromkeys(f"{size:.3g}" for size in (min(sizes), max(sizes)))
        scale = f"of {' to '.join(ends)} Å per pixel"
    found = [one for one in facts if "weights" in one]
    if not found:
        return f"Places of atoms on {images} {scale} were read from tables."
    weights = " and ".join(sorted({one["weights"] for one in found}))
    averaged = ""
    if all(one.get("augment") for one in found):
        averaged = ", averaged over the eight orientations of each image"
    sentence = (
        f"Single atoms were found on {images} {scale} by a neural network (weights {weights}{averaged})"
    )
    sentence += _threshold(text, found)
    if len(found) < len(facts):
        sentence += f" Atoms of {len(facts) - len(found)} of the images were read from tables."
    return f"{sentence} Places were fitted to the image below the pixel.{_estimated(facts)}"


def _estimated(facts: Sequence[Mapping[str, Any]]) -> str:
    """Say which pixel sizes were estimated, as a further sentence; nothing where none was."""
    errors = [error for error in estimated_errors(facts) if error is not None]
    if not errors:
        return ""
    which = "Pixel sizes" if len(errors) == len(facts) else f"Pixel sizes of {len(errors)} of the images"
    known = [error for error in errors if np.isfinite(error)]
    ends = dict.fromkeys(f"{100 * error:.2g}" for error in (min(known), max(known))) if known else ()
    error = f" (relative standard deviation {' to '.join(ends)} %)" if ends else ""
    return f" {which} were estimated from the atoms by a network{error}, which no interval includes."


def _threshold(text: _Text, found: Sequence[Mapping[str, Any]]) -> str:
    """Say from which likelihood a candidate was an atom, to end a sentence."""
    values = [one["threshold"] for one in found if "threshold" in one]
    if not values:
        return "."
    ends = dict.fromkeys(f"{value:.2f}" for value in (min(values), max(values)))
    rule = "the same for all images"
    if found[0].get("threshold_asked") is None:
        rule = "chosen for each image for the highest F1 to be expected"
    return (
        f". A candidate counts as an atom from a likelihood of {' to '.join(ends)} on, {rule}; likelihoods are "
        f"calibrated on simulated images {text.cite(PLATT)}."
    )


def _area(text: _Text, masks: bool, images: int, unit: str) -> str:
    """Say of which area densities are, and what their interval is."""
    area = (
        "the masks given" if masks else "specimen, without vacuum, padding, burnt-in text and saturated areas"
    )
    sentence = f"Densities are atoms found per {unit} of {area}; intervals of 95 % are by counting "
    sentence += text.cite(GARWOOD)
    if images > 1:
        ratio = "and by a ratio of means over images with Student's t"
        sentence += f" {ratio} {text.cite(COCHRAN)}, whichever is wider"
    return f"{sentence}."


def _places(text: _Text, survey: Survey) -> str:
    """Say how statistics of places were made."""
    options = survey.options
    sentence = (
        f"Distances to nearest neighbours were corrected for the edge of the mask {text.cite(HANISCH)} and compared "
        f"with 1/(2√λ) for random places {text.cite(CLARK)}, as in {text.cite(MITCHELL)}; Ripley's L "
        f"{text.cite(RIPLEY)} and the pair correlation g {text.cite(STOYAN)} have translation correction "
        f"{text.cite(OHSER)}. Intervals and envelopes are those of {options['simulations']} patterns of random places "
        f"in the mask of each image (seed {options['seed']}); p values of L and g are those of the global rank "
        f"envelope test {text.cite(RANKS)}."
    )
    closest = options.get("closest")
    if closest:
        sentence += (
            f" Atoms nearer than {closest:.3g} {survey.window.unit} count as one, in random patterns, too."
        )
    return sentence


def _bonds(text: _Text, survey: Survey, element: str | None) -> str:
    """Say how bonds were told from coincidences."""
    options, bonded = survey.options, survey.bonded
    length = np.nan if bonded is None else bonded.length
    radii = "" if element is None else f" (1.2 × twice the covalent radius of {element} {text.cite(CORDERO)})"
    return (
        f"Atoms within {length:.3g} {survey.window.unit} of each other{radii} count as bonded beyond "
        f"coincidences of projection by J {text.cite(LIESHOUT)}, at a recall of {options['recall']:.2g} and a purity "
        f"of {options['purity']:.2g}."
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
