"""What was found about the labels of one file: what is wrong, which rows, and where they belong."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Fault:
    """Something wrong with the labels of a file.

    Parameters
    ----------
    kind
        ``image`` (they are another image's), ``rows`` (some are), ``transposed``, ``mirrored``, ``shift``, ``scale``,
        ``unit`` and combinations of these with "and", ``nowhere`` (they fit nothing), ``duplicates``, ``outside``.
    message
        In words.
    rows
        Rows of the table, counted from 1; empty where the whole file is meant.
    image
        Name of the image that the rows fit instead.

    Examples
    --------
    >>> fault = Fault("image", "all rows belong to b", image="b")
    >>> fault.kind, fault.rows  # no rows: the whole file
    ('image', ())
    """

    kind: str
    message: str
    rows: tuple[int, ...] = ()
    image: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What is known of the labels of one file.

    Parameters
    ----------
    image, table
        Names of the image and of its file of labels.
    points
        Labels (x, y) as the file has them, shape (n, 2).
    faults
        What is wrong; empty if sound, or if there are too few labels to tell.
    images
        Name of the image on which each row belongs, shape (n,); None for rows that fit nowhere, cannot be decided or
        are a duplicate.
    placed
        Where each row belongs on that image (x, y) [pixel], shape (n, 2).
    certain
        Whether ``images`` and ``placed`` mend the file without doubt.
    evidence
        Logarithm of how much likelier the labels are on their image than random points, as the file has them, and as
        they belong.
    basis
        The map of evidence that decided, such as ``network``.
    note
        A remark on what could not be decided.
    share
        Of sound labels, the share that lies on bright spots, and the ends of an interval that holds 95 in 100; else
        None.

    Examples
    --------
    >>> points = np.array([[4.0, 5.0], [20.0, 9.0]])
    >>> transposed = Fault("transposed", "x and y are exchanged")
    >>> verdict = Verdict("a", "a", points, (transposed,), ("a", "a"), points[:, ::-1], certain=True)
    >>> verdict.sound, verdict.placed.tolist()
    (False, [[5.0, 4.0], [9.0, 20.0]])
    """

    image: str
    table: str
    points: NDArray[np.float64]
    faults: tuple[Fault, ...]
    images: tuple[str | None, ...]
    placed: NDArray[np.float64]
    certain: bool
    evidence: tuple[float, float] = (0.0, 0.0)
    basis: str = ""
    note: str = ""
    share: tuple[float, float, float] | None = None

    @property
    def sound(self) -> bool:
        """Whether no fault was found."""
        return not self.faults


def numbered(rows: Iterable[int]) -> tuple[int, ...]:
    """Return rows that are counted from 0 as the user counts them, in order."""
    return tuple(row + 1 for row in sorted(rows))


def row_words(rows: Iterable[int]) -> str:
    """Name rows that are counted from 0.

    Examples
    --------
    >>> row_words([0, 1, 2, 7])
    'rows 1 to 3, 8'
    """
    numbers = numbered(rows)
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    text = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in parts)
    return f"row{'s'[: len(numbers) != 1]} {text}"
