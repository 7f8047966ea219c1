"""What an image says of a zeolite's channels, in numbers with their unit and a sentence each."""

from typing import Any

from stemforge.infer.occupancy.result import DECISIVE, EMPTY, FILLED, OPEN, SURE, VISIBLE, Occupancy

_RADIUS = 3.0  # of a mark on a channel [Å]

Answer = dict[str, Any]


def plain_channels(occupancy: Occupancy) -> dict[str, Any]:
    """Return where channels are and what is known of each, as the page draws them."""
    return {
        "x": occupancy.points[:, 0].round(2),
        "y": occupancy.points[:, 1].round(2),
        "state": [str(one) for one in occupancy.state],
        "probability": occupancy.probability.round(4),
        "evidence": occupancy.evidence.round(2),
        "content": occupancy.content.round(3),
        "content_error": occupancy.content_error.round(3),
        "radius": _RADIUS / occupancy.lattice.sampling,
    }


def describe_channels(occupancy: Occupancy, sampling: float | None) -> list[dict[str, Any]]:
    """Return answers in groups: how many channels hold a molecule, what that rests on, and the crystal.

    Parameters
    ----------
    occupancy
        Of the image.
    sampling
        Pixel size that the file or the user gave [Å]; None where nobody did.
    """
    return [
        {"title": "Channels", "answers": _counted(occupancy)},
        {"title": "What probabilities rest on", "answers": _rests(occupancy)},
        {"title": "Crystal", "answers": _crystal(occupancy, sampling)},
    ]


def _counted(occupancy: Occupancy) -> list[Answer]:
    low, high, mean = occupancy.share
    sure = f"a probability of {SURE:g} and an evidence of a factor of {10**DECISIVE:g} by the channel itself"
    explanations = {
        FILLED: f"Channels that hold a molecule, with {sure}.",
        EMPTY: f"Channels without a molecule, with {sure}.",
        OPEN: "Channels of which the image does not tell; they are neither filled nor empty.",
    }
    answers = [
        _answer(state.capitalize(), occupancy.count(state), None, "", text)
        for state, text in explanations.items()
    ]
    share = "Share of all these channels that are filled, the open ones by their probability; 90 % interval."
    return [*answers, _answer("Filled share", 100 * mean, (100 * low, 100 * high), "%", share)]


def _rests(occupancy: Occupancy) -> list[Answer]:
    def probable(label: str, value: float | None, text: str) -> Answer:
        if value is None:
            text += " It cannot be asked of this image: too few, or too many, channels of the cell differ."
        return _answer(label, _rounded(value), None, "", text)

    return [
        probable(
            "Ordered crystal",
            occupancy.ordered,
            "Probability that the same channels of every cell are filled. Above 0.5 each channel's answer leans on "
            "its copies.",
        ),
        probable(
            "Molecules alike",
            occupancy.alike,
            "Probability that molecules lie alike in all copies of a channel. Above 0.5 probabilities rest on that.",
        ),
        probable(
            "Framework's error",
            occupancy.framework_error,
            "Probability that what copies of a channel share is an error of the framework's image. As far as it is "
            "probable, channels stay open.",
        ),
        _answer(
            "Contrast of a molecule",
            occupancy.detectability,
            None,
            "σ",
            "By how many standard deviations of noise a molecule in every cell along the beam would stand out; "
            f"{VISIBLE:g} are needed to see it well.",
        ),
    ]


def _crystal(occupancy: Occupancy, sampling: float | None) -> list[Answer]:
    lattice = occupancy.lattice
    if sampling is None or abs(lattice.sampling / sampling - 1) < 1e-9:
        beside = "It is used, as nothing else is known."
    else:
        beside = f"The file or you say {sampling / 10:.5f} nm, which restoring goes by."
    return [
        {
            **_answer(
                "Pixel size by the lattice",
                lattice.sampling / 10,
                None,
                "nm",
                f"From the crystal's lattice. {beside}",
            ),
            "digits": 4,
        },
        _answer(
            "Lattice fits by",
            lattice.score,
            None,
            "",
            f"Correlation of the average cell with the framework {lattice.framework}; 0.72 is needed, 1 is perfect.",
        ),
        _answer("Turned by", lattice.rotation, None, "°", "Angle of the lattice on the image."),
        _answer(
            "Framework explains",
            100 * occupancy.explained,
            None,
            "%",
            "Share of the average cell that the framework explains; below 90 % do not trust the channels.",
        ),
    ]


def _rounded(probability: float | None) -> float | str | None:
    """Return a probability without digits that mean nothing.

    Examples
    --------
    >>> _rounded(3.9e-24), _rounded(0.12345), _rounded(0.99999)
    ('< 0.01', 0.12, '> 0.99')
    """
    if probability is None or 0.01 <= probability <= 0.99:
        return probability if probability is None else round(probability, 2)
    return "< 0.01" if probability < 0.5 else "> 0.99"


def _answer(
    label: str, value: float | str | None, interval: tuple[float, float] | None, unit: str, text: str
) -> Answer:
    low, high = interval or (None, None)
    return {"label": label, "value": value, "low": low, "high": high, "unit": unit, "explanation": text}
