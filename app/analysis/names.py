"""Names of files that are made for users, from what they call their images."""

import re
from collections.abc import Iterable

_LONGEST = 80


def file_stems(names: Iterable[str]) -> list[str]:
    """Return stems of file names for images as users call them: harmless everywhere, and different from each other.

    Signs that begin a formula in a spreadsheet go, too.

    Examples
    --------
    >>> file_stems(["=1+1.tif", "a b.dm4", "a_b.tif", "日本.png", "…"])
    ['1_1', 'a_b', 'a_b-2', '日本', 'image']
    """
    stems: list[str] = []
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^\w.-]+", "_", name.rpartition(".")[0] or name).strip("_.-+=@")[:_LONGEST] or "image"
        unique, number = stem, 1
        while unique.lower() in taken:
            number += 1
            unique = f"{stem}-{number}"
        taken.add(unique.lower())
        stems.append(unique)
    return stems
