"""Many images, one after the other: what was read is worked on, what fails is left out and named, the rest goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from stemforge.console import console, progress, say
from stemforge.errors import InputError
from stemforge.files import write_json
from stemforge.micrograph.image import Micrograph
from stemforge.options import Reading


@dataclass(frozen=True)
class Outcome:
    """What came of a batch.

    Parameters
    ----------
    images
        How many there were.
    found
        How many things were found on them.
    failed
        Why images were left out, one message each.
    """

    images: int
    found: int
    failed: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0; 1 where some images were left out; 2 where the only one was: nothing but bad input."""
        if self.images == len(self.failed) == 1:
            return 2
        return 1 if self.failed else 0


@dataclass(frozen=True)
class Batch:
    """The images of one command and where their results go.

    Parameters
    ----------
    images
        Image files.
    out
        Folder for the results; made with the first one.
    endings
        What each image's results are called after its name, such as ``.csv`` and ``.png``.
    reading
        Pixel size and frames of the files.
    overwrite
        Replace results that are already there.
    quiet
        Show no progress.
    """

    images: Sequence[Path]
    out: Path
    endings: Sequence[str]
    reading: Reading = Reading()
    overwrite: bool = False
    quiet: bool = False

    def check_out(self) -> None:
        """Refuse to replace results silently, or to mix two images of the same name."""
        out = self.out
        stems = [path.stem for path in self.images]
        twice = sorted({stem for stem in stems if stems.count(stem) > 1})
        if twice:
            raise InputError(
                f"two images are named {', '.join(twice)}; their results would overwrite each other"
            )
        if out.exists() and not out.is_dir():
            raise InputError(f"out {out}: is a file, expected a folder")
        # The frames of a stack are named after their number: image_000.csv.
        frames = self.reading.stack or self.reading.frame is not None
        patterns = [
            f"{escape(stem)}{'_[0-9][0-9][0-9]' * n}{ending}"
            for stem in stems
            for n in range(1 + frames)
            for ending in self.endings
        ]
        existing = sorted({path.name for pattern in patterns for path in out.glob(pattern)})
        if existing and not self.overwrite:
            names = ", ".join(existing[:5])
            raise InputError(
                f"out {out}: already holds {names}; choose another folder, or replace them (overwrite)"
            )
        written = {f"{stem}{ending}" for stem in stems for ending in self.endings}
        for path in self.images:
            if path.resolve().parent != out.resolve():
                continue
            if path.suffix.lower() == ".png":
                raise InputError(
                    f"out {out}: holds the PNG images themselves, which overlays would replace; choose another"
                )
            if path.name in written:
                raise InputError(f"out {out}: a result would replace the image {path.name}; choose another")

    def run(
        self, title: str, work: Callable[[Micrograph], int], noun: str, record: Mapping[str, Any]
    ) -> Outcome:
        """Work on every image; what fails is named and left out.

        Parameters
        ----------
        title
            Name of the command.
        work
            Makes the results of one micrograph; returns how many things it found. Raises InputError where the
            image cannot be used.
        noun
            What is counted.
        record
            What ``run.json`` in the folder says of the run, beside images and failures.

        Returns
        -------
        Outcome
            What was found, and what failed.
        """
        failed: list[str] = []
        found = 0
        with progress(title, len(self.images), "images", self.quiet) as advance:
            for path in self.images:
                try:
                    for micrograph in self.reading.read(path):
                        found += work(micrograph)
                except InputError as error:
                    failed.append(str(error))
                    console.print(
                        f"[bold red]left out:[/] {str(error).replace('[', chr(92) + '[')}", soft_wrap=True
                    )
                advance(1)
        content = {**record, "images": [str(path) for path in self.images], "failed": failed}
        if self.out.is_dir():  # it is made with the first result
            write_json(self.out / "run.json", content)
        done = len(self.images) - len(failed)
        say(f"{self.out}: {found} {noun} on {done} of {len(self.images)} images")
        return Outcome(len(self.images), found, tuple(failed))

    def path(self, micrograph: Micrograph, ending: str) -> Path:
        """Return the file of one result; makes the folder."""
        self.out.mkdir(parents=True, exist_ok=True)
        return self.out / f"{micrograph.name}{ending}"
