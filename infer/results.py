"""The results of one image: files, what ``run.json`` says of it, and what is still to come."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stemforge.infer.pictures import Artist, draw_now


class Results:
    """The results of one image while they are made.

    Parameters
    ----------
    name
        What they are called, before their endings.
    stage
        Makes the folder in which they are written; they move to the batch's folder together.
    artist
        Draws the pictures; None: this process does.
    """

    def __init__(self, name: str, stage: Callable[[], Path], artist: Artist | None = None) -> None:
        self.name = name
        self.names: list[str] = []
        self.facts: dict[str, Any] = {}
        """What ``run.json`` says of the image, beside file, weights and options."""
        self.remarks: dict[str, None] = {}
        self.further: Callable[[Results], None] | None = None
        """What takes long and is added when these are there."""
        self._stage = stage
        self._artist = artist
        self._folder: Path | None = None
        self._drawing: list[Callable[[], None]] = []

    def path(self, ending: str) -> Path:
        """Return the file of one result."""
        if self._folder is None:
            self._folder = self._stage()
        self.names.append(f"{self.name}{ending}")
        return self._folder / self.names[-1]

    def remark(self, text: str) -> None:
        """Have something said at the end, once for all images."""
        self.remarks[text] = None

    def draw(self, ending: str, function: str, drawn: object, *further: object) -> None:
        """Have one result drawn, maybe not at once.

        Parameters
        ----------
        ending
            Of the picture's file.
        function
            ``module:name``; it is called with what is drawn, the file, and whatever is given further.
        drawn
            What is drawn.
        """
        draw = draw_now if self._artist is None else self._artist.draw
        finish = draw(function, drawn, self.path(ending), *further)
        if finish is not None:
            self._drawing.append(finish)

    def finish(self) -> None:
        """Wait until what is drawn is there."""
        while self._drawing:
            self._drawing.pop(0)()
