"""Table, explanation and contact sheet of a triage: each whole at any time, and written again as images come."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stemforge.evaluate.triage.result import COLUMNS, VERDICTS, ImageTriage
from stemforge.evaluate.triage.sheet import ContactSheet
from stemforge.files import make_folder, write_csv, write_figure, write_json
from stemforge.options import Reading
from stemforge.outputs.folder import ResultFolder

RESULTS = ("triage.csv", "triage.json", "contact-sheet.png")
"""What is written, beside run.json."""


class Tables:
    """The files that a triage writes for its user.

    Parameters
    ----------
    out
        Where they go.
    reading
        How images are read again that are drawn.
    options
        How images were looked at, as ``triage.json`` states it.
    """

    def __init__(self, out: ResultFolder, reading: Reading, options: Mapping[str, Any]) -> None:
        self.out, self.options = out, options
        self._sheet = ContactSheet(reading)

    def write(self, rows: Sequence[ImageTriage]) -> None:
        """Write the table, the best image first, and what its columns mean."""
        make_folder(self.out.path)
        write_csv(self.out.path / RESULTS[0], COLUMNS, (one.row() for one in rows))
        counted = Counter(one.verdict for one in rows)
        verdicts = {name: counted[name] for name in VERDICTS}
        content = {"images": len(rows), "verdicts": verdicts, "options": self.options, "columns": COLUMNS}
        write_json(self.out.path / RESULTS[1], content)

    def draw(self, rows: Sequence[ImageTriage]) -> None:
        """Draw the sheet of the best and the doubtful images."""
        write_figure(self._sheet.draw(rows), self.out.path / RESULTS[2], dpi=self._sheet.DPI)
