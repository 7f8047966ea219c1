"""Tables of points as text: how ImageJ, spreadsheets and stemforge write them."""

import codecs
import csv
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import AnnotationsError

ENDINGS = (".csv", ".tsv", ".txt")
"""Endings of the files that tables are looked for in, where a folder is given: the first that the folder has."""


def read_cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a table, and its rows that are not empty with their line numbers.

    Cells stand between commas, semicolons or tabs, whichever the header has; where it is not commas, a comma in a
    number is a decimal one. A header that lacks the name of the row numbers is read, too.

    Raises
    ------
    AnnotationsError
        File missing or no text, two columns of one name, a row with more or fewer cells than the header.
    """
    text = _text(path)
    lines = text.splitlines()
    first = lines[0] if lines else ""
    separator = max("\t;,", key=first.count)
    cells = [*csv.reader(lines, delimiter=separator)] or [[]]
    header = [name.strip() for name in cells[0]]
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        raise AnnotationsError(f"{path}: two columns have the same name in {','.join(header)}")
    rows = [(n, row) for n, row in enumerate(cells[1:], start=2) if any(cell.strip() for cell in row)]
    if rows and _numbered([row for _, row in rows], len(header)):
        header = ["", *header]
    for number, row in rows:
        if len(row) != len(header):
            raise AnnotationsError(f"{path}: line {number} has {len(row)} cells, the header {len(header)}")
    if separator != ",":
        rows = [(number, [cell.replace(",", ".") for cell in row]) for number, row in rows]
    return header, rows


def read_numbers(
    path: Path, header: Sequence[str], rows: Sequence[tuple[int, list[str]]], required: set[str]
) -> dict[str, list[float]]:
    """Return the columns of numbers by name; others are dropped, or refused where they are required.

    Raises
    ------
    AnnotationsError
        A cell of a required column that is no number.
    """
    table: dict[str, list[float]] = {name: [] for name in header if name}
    for number, row in rows:
        for name, cell in zip(header, row, strict=True):
            if name not in table:
                continue
            try:
                table[name].append(float(cell) if cell.strip() else np.nan)
            except ValueError as error:
                if name in required:
                    raise AnnotationsError(
                        f"{path}: line {number}, column {name}: '{cell}' is no number"
                    ) from error
                del table[name]
    return table


def read_words(
    header: Sequence[str], rows: Sequence[tuple[int, list[str]]], numbers: Container[str]
) -> dict[str, NDArray[np.object_]]:
    """Return the columns of text by name: those with a name that are none of the columns of numbers."""
    return {
        name: np.array([row[place].strip() for _, row in rows], dtype=object)
        for place, name in enumerate(header)
        if name and name not in numbers
    }


COMPLETENESS = "_completeness"
"""Ends the stem of what says how complete an image's table is: its CSV lies beside that table and has no places."""

COMPLETENESS_ENDINGS = tuple(f"{COMPLETENESS}{ending}" for ending in (".csv", ".json", ".png"))
"""What an image's completeness is called after its name."""


def table_files(folder: Path) -> list[Path]:
    """Return the tables of places in a folder: its .csv files; where there are none the .tsv, then the .txt.

    Names that begin with a dot are left by file managers (._021.csv); they are no tables.
    """
    files = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and not path.stem.endswith(COMPLETENESS)
    )
    for ending in ENDINGS:
        found = [path for path in files if path.suffix.lower() == ending]
        if found:
            return found
    return []


def _text(path: Path) -> str:
    """Return a file's text: UTF-8, UTF-16 with its mark (Excel's "Unicode text"), else Windows' Western one."""
    try:
        content = path.read_bytes()
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode("utf-16")
        if b"\0" in content:
            raise AnnotationsError(f"{path}: cannot be read as CSV (it is no text)")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            return content.decode("cp1252")
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationsError(f"{path}: cannot be read as CSV ({error})") from error


def _numbered(rows: Sequence[Sequence[str]], columns: int) -> bool:
    """Say whether every row has one cell more than the header, and the first counts the rows; one row says nothing."""
    if len(rows) < 2 or any(len(row) != columns + 1 for row in rows):
        return False
    first = [row[0].strip() for row in rows]
    return first in ([str(n + start) for n in range(len(rows))] for start in (0, 1))
