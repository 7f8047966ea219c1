"""One export: every item through the writer of its format, into a folder that has all of them or none."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stemforge.console import progress
from stemforge.errors import InputError
from stemforge.exchange.exported import LABEL, VACANCY, Exported, WriterOptions
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
class Contents:
    """What an export holds.

    Parameters
    ----------
    format
        Name of its format.
    images
        How many images, or tables of one, are in it; of ``extxyz`` structures.
    objects
        How many objects on them, by kind, ``atoms``, ``vacancies`` or ``molecules``; empty where no image was searched
        for any.

    Examples
    --------
    >>> print(Contents("tiff", 2, {"atoms": 40}), Contents("geojson", 1, {"atoms": 1}), Contents("tiff", 1), sep="; ")
    2 images with 40 atoms; 1 atom of 1 image; 1 image
    """

    format: FormatName
    images: int
    objects: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        items = _counted(self.images, "structures" if self.format == "extxyz" else "images")
        objects = " and ".join(_counted(number, kind) for kind, number in self.objects.items())
        if not objects:
            return items
        # Formats that need no image may hold none.
        holds_images = "image" in FORMATS[self.format].needs
        return (
            f"{items} with {objects}" if holds_images or self.format == "extxyz" else f"{objects} of {items}"
        )


def _counted(number: int, things: str) -> str:
    one = "vacancy" if things == "vacancies" else things.removesuffix("s")
    return f"{number} {things if number != 1 else one}"


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

    def write(self, items: Iterable[Exported], total: int, *, quiet: bool = False) -> Contents:
        """Write all items, or none where one cannot be written; return what was written.

        Parameters
        ----------
        items
            What is exported, one after the other.
        total
            How many there are.
        quiet
            Show no progress.
        """
        folder, images, objects = ResultFolder(self.out), 0, Counter[str]()
        again = "run the same command again; nothing of the export is kept"
        with (
            progress(f"export {self.format}", total, "images", quiet) as advance,
            folder.staged(then=again) as staging,
        ):
            writer = FORMATS[self.format].open(staging, replace(self.options, info=self.info))
            for item in items:
                writer.add(item)
                images += 1
                objects.update(self._objects(item))
                advance(1)
            writer.close()
            write_json(staging / RECORD, self.info)
        return Contents(self.format, images, dict(objects))

    def _objects(self, item: Exported) -> dict[str, int]:
        """Return how many objects an item has, by kind."""
        if self.format == "extxyz" and item.structure is not None:
            return {"atoms": len(item.structure.numbers)}
        if item.objects is None:
            return {}
        if item.objects.boxes is not None:
            return {"molecules": len(item.objects)}
        names = item.objects.columns.get(LABEL, ())
        missing = sum(str(name).endswith(VACANCY) for name in names)
        return {"atoms": len(item.objects) - missing} | ({"vacancies": missing} if missing else {})
