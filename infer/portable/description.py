"""What a program without stemforge must know of an exported detector; it travels in the model's metadata."""

from typing import Any

import stemforge
from stemforge.errors import WeightsError
from stemforge.files import plain
from stemforge.infer.decision import CANDIDATE
from stemforge.train.card import Card

KEY = "stemforge"
"""Of the entry in an ONNX model's metadata, and of the file in torch.export's archive; JSON."""
OPSET = 20
"""Version of ONNX' operators."""

OUTSIDE = (
    "Before: an image with another pixel size is resampled to `sampling` by its cosine transform, which is cut off for "
    "coarser pixels and continued with noise for finer ones (examples/onnx_atoms.py); where the two differ by less "
    "than 2 %, it stays as it is.",
    "Before: values must be finite; padding, burnt-in scale bars and saturated areas must be cropped.",
    "After: an atom is where `peak` is 1 and `likelihood` is `threshold` or more, at the pixel (x, y) plus `offset`. "
    "Where the candidates' likelihoods p, highest first, promise an F1 (2 * sum of the first k / (k + sum of all)) of "
    "`min_expected_f1` or more for the best k, the threshold is the k-th likelihood instead.",
)
"""What is not in the graph."""


def describe(card: Card) -> dict[str, Any]:
    """Return what goes with the graph of a detector.

    Raises
    ------
    WeightsError
        The card names no pixel size, without which nobody could use the graph.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> describe(load_weights("atom-net")[1])["sampling"]
    0.293
    """
    if card.sampling is None:
        raise WeightsError(
            "the weights do not say at which pixel size they were trained; they cannot be exported"
        )
    return {
        "architecture": card.architecture,
        "sampling": card.sampling,
        "threshold": card.threshold,
        "min_expected_f1": card.min_expected_f1,
        "candidate": CANDIDATE,
        "counting": plain(card.counting),
        "input": "image as recorded, float32, (1, 1, height, width), any unit, each side 16 pixels or more",
        "outputs": {
            "likelihood": "calibrated probability of an atom at each pixel, (1, 1, height, width)",
            "peak": "1 where a candidate for an atom is, else 0, (1, 1, height, width)",
            "offset": "from the pixel to the atom's centre, (x, y) in pixels, (1, 2, height, width)",
            "sigma": "standard deviation of each coordinate in pixels, (1, 1, height, width)",
        },
        "outside": OUTSIDE,
        "data": list(card.data),
        "version": stemforge.__version__,
    }
