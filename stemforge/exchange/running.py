"""One export: every item through the writer of its format, into a folder that has all of them or none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stemforge.console import progress
from stemforge.errors import InputError
from stemforge.exchange.exported import Exported, WriterOptions
from stemforge.exchange.formats import FORMATS, FormatName
from stemforge.files import PARTIAL, write_json
from stemforge.outputs.folder import ResultFolder

RECORD = "export.json"
"""What the export was made of."""


def check_new_folder(out: str | Path) -> None:
    """Refuse, before any work, a folder that cannot be written to or holds something.

    Raises
    ------
    InputError, WriteError
        It is not new and not empty, or cannot be made.
    """
    ResultFolder(Path(out)).check()
    if Path(out).exists() and any(path.suffix != PARTIAL for path in Path(out).iterdir()):
        raise InputError(f"out: {out} is not an empty folder; choose a new one")


@dataclass(frozen=True)
class ExportRun:
    """An export into a folder.

    Parameters
    ----------
    out
        The folder, new or empty.
    format
        Name of the format.
    info
        What the export is made of, for ``export.json``.
    options
        Of the writer; ``info`` is added.
    """

    out: Path
    format: FormatName
    info: Mapping[str, Any]
    options: WriterOptions

    def write(self, items: Iterable[Exported], total: int, *, quiet: bool = False) -> None:
        """Write all items, or none where one cannot be written.

        Parameters
        ----------
        items
            What is exported, one after the other.
        total
            How many there are.
        quiet
            Show no progress.
        """
        folder = ResultFolder(self.out)
        again = "run the same command again; nothing of the export is kept"
        with (
            progress(f"export {self.format}", total, "images", quiet) as advance,
            folder.staged(then=again) as staging,
        ):
            writer = FORMATS[self.format].open(staging, replace(self.options, info=self.info))
            for item in items:
                writer.add(item)
                advance(1)
            writer.close()
            write_json(staging / RECORD, self.info)
