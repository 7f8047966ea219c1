"""Tiles: large images in pieces that fit in memory."""

from collections.abc import Iterator

from stemforge.errors import InputError


def tiles(shape: tuple[int, int], side: int) -> Iterator[tuple[slice, slice]]:
    """Cover an image with tiles that do not overlap, row by row.

    Parameters
    ----------
    shape
        Height and width of the image [pixel].
    side
        Side of a tile [pixel]; those at the end are smaller.

    Yields
    ------
    rows, columns
        Slices of the image.

    Examples
    --------
    >>> [(r.start, r.stop, c.start, c.stop) for r, c in tiles((3, 5), 4)]
    [(0, 3, 0, 4), (0, 3, 4, 5)]
    """
    if side < 1:
        raise InputError(f"tile must be at least 1 pixel, not {side}")
    height, width = shape
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield slice(top, min(top + side, height)), slice(left, min(left + side, width))
