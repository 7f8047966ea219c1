"""A corpus on disk: a folder, its header and its shards, and how they are written.

Layout of ``CORPUS/``::

    recipe.yaml              what made the corpus, every field spelled out
    shard-000000.h5          complete as soon as it carries this name; see :mod:`stemforge.corpus.shard`

A shard is written under a temporary name, fsynced and renamed. No file grows with the corpus.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from stemforge.corpus.sample import Kind, Sample
from stemforge.corpus.shard import encode_shard, read_header
from stemforge.errors import CorpusError
from stemforge.files import PARTIAL, make_folder, plain_yaml, write_text, write_whole, writing
from stemforge.outputs.locks import hold_folder
from stemforge.outputs.places import check_folder

HEADER = "recipe.yaml"
"""Name of the file that says what made a corpus."""
GROWS = "num_samples"
"""The one entry of a recipe that may grow: a larger number extends the corpus."""
SHARD_SIZE = "shard_size"
"""The entry of a recipe that says how many samples a full shard has; not in all corpora."""

_SHARD = "shard-{:06d}.h5"
_SHARD_NAME = re.compile(r"shard-(\d{6,})\.h5")


def shard_number(name: str) -> int | None:
    """Return the number of the shard that a file of this name is; None for any other file.

    Examples
    --------
    >>> shard_number("shard-000012.h5"), shard_number("shard-000012 (copy).h5")
    (12, None)
    """
    found = _SHARD_NAME.fullmatch(name)
    return int(found[1]) if found else None


def read_recipe(folder: Path) -> tuple[dict[str, Any], str, Kind]:
    """Return recipe, hash and kind of the corpus in a folder.

    Raises
    ------
    CorpusError
        There is none, or its header cannot be read.
    """
    header = folder / HEADER
    if not folder.exists():
        raise CorpusError(f"{folder}: no such folder, expected a corpus")
    if not header.is_file():
        raise CorpusError(f"{folder}: is no corpus (there is no {HEADER} in it)")
    try:
        content = plain_yaml(header.read_text(encoding="utf-8"))
        recipe, recipe_hash, kind = (content[name] for name in ("recipe", "hash", "kind"))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CorpusError(f"{header}: is not a corpus header ({error}); choose another folder") from error
    if not (isinstance(recipe, dict) and isinstance(recipe_hash, str) and kind in ("simulated", "measured")):
        raise CorpusError(f"{header}: is not a corpus header; choose another folder")
    for name in (GROWS, SHARD_SIZE):
        number = recipe.get(name)
        if number is not None and not (type(number) is int and 0 < number < 1 << 62):
            raise CorpusError(
                f"{header}: '{name}' must be a positive whole number, not {number!r:.40}; put it back as it was"
            )
    return recipe, recipe_hash, kind


def read_builder(folder: Path) -> int | None:
    """Return the number of the builder that made the samples of a corpus; None where its header names none."""
    builder = plain_yaml((folder / HEADER).read_text(encoding="utf-8")).get("builder")
    return builder if type(builder) is int else None


class CorpusWriter:
    """Writes the shards of one corpus, each complete or not there at all.

    Parameters
    ----------
    folder
        Created where missing. An existing corpus is continued if its recipe is the same.
    recipe
        The settings that make the corpus, as plain values. ``num_samples`` says how many samples there will be.
    recipe_hash
        Their hash: :attr:`stemforge.settings.Settings.hash`, without what may grow.
    kind
        ``"simulated"``: noise-free signals to be degraded by the reader; ``"measured"``: images as they are.
    builder
        Number of what makes samples from the recipe, kept in the header: another gives other bytes.

    Raises
    ------
    CorpusError
        The folder holds another recipe's corpus, or files that are no corpus.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from stemforge import Annotations, Corpus
    >>> writer = CorpusWriter(tempfile.mkdtemp(), {"name": "demo"}, "0" * 64)
    >>> sample = Sample(0, np.ones((1, 8, 8), "float32"), 0.3, ("HAADF",), Annotations([[2, 3]]))
    >>> _ = writer.write(0, [sample])
    >>> Corpus(writer.folder)[0].labels.points
    array([[2., 3.]])
    """

    def __init__(
        self,
        folder: str | Path,
        recipe: Mapping[str, Any],
        recipe_hash: str,
        kind: Kind = "simulated",
        builder: int | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.recipe = dict(recipe)
        self.recipe_hash = recipe_hash
        self.kind: Kind = kind
        self.builder = builder
        self._claim()

    def _claim(self) -> None:
        """Make the folder this recipe's, or refuse it."""
        if self.folder.exists() and not self.folder.is_dir():
            raise CorpusError(f"{self.folder}: is a file, a corpus is a folder; choose another name")
        check_folder(self.folder, "out")
        with writing(self.folder):
            make_folder(self.folder)
        if (self.folder / HEADER).exists():
            found, found_hash, _ = read_recipe(self.folder)
            if found_hash != self.recipe_hash:
                raise CorpusError(
                    f"{self.folder}: holds the corpus of another recipe (hash {found_hash[:12]}, this one is "
                    f"{self.recipe_hash[:12]}); choose another folder or remove that corpus yourself"
                )
            begun = any(self.folder.glob("shard-*.h5"))
            if begun:  # its samples stay those of the builder that began it
                self.builder = read_builder(self.folder)
            if (found.get(GROWS) or 0) < (self.recipe.get(GROWS) or 0) or not begun:
                self._write_header()
        elif any(path.suffix != PARTIAL for path in self.folder.iterdir()):
            raise CorpusError(f"{self.folder}: holds files but no corpus; choose an empty or new folder")
        else:
            self._write_header()

    def _write_header(self) -> None:
        content: dict[str, Any] = {"hash": self.recipe_hash, "kind": self.kind, "recipe": self.recipe}
        if self.builder is not None:
            content["builder"] = self.builder
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        write_text(self.folder / HEADER, text)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs out of the folder, and leave nothing half-written in it.

        The lock is the process's: nothing is left of it after ``kill -9``.

        Raises
        ------
        CorpusError
            Another run is writing to the folder.
        """
        try:
            release = hold_folder(self.folder)
        except BlockingIOError as error:
            raise CorpusError(
                f"{self.folder}: another run is writing this corpus; wait for it or stop it"
            ) from error
        try:
            self.remove_partials()
            try:
                yield
            finally:
                # Workers that were killed in the middle of a write leave half a file. One that was only given up for
                # dead, and still writes, finds its file gone when it comes to rename it.
                self.remove_partials()
        finally:
            release()

    def remove_partials(self) -> None:
        """Remove what a killed run left half-written; only while no other process writes to the folder."""
        for partial in self.folder.glob(f"*{PARTIAL}"):
            partial.unlink(missing_ok=True)

    def path(self, shard: int) -> Path:
        """Return the file of a shard."""
        return self.folder / _SHARD.format(shard)

    def complete(self, shard: int) -> bool:
        """Say whether a shard is finished."""
        return self.path(shard).exists()

    def count(self, shard: int) -> int:
        """Return the number of samples in a shard; 0 where it is not finished. Only its header is read."""
        return read_header(self.path(shard)).count if self.complete(shard) else 0

    def write(self, shard: int, samples: Sequence[Sample]) -> Path:
        """Write one shard; it appears under its final name only when all of it is on disk.

        Parameters
        ----------
        shard
            Number of the shard.
        samples
            At least one; all with the same image shape, channels and sampling.

        Returns
        -------
        Path
            The finished file.

        Raises
        ------
        CorpusError
            The samples differ.
        WriteError
            The disk is full; nothing of the shard is left then.
        """
        if not samples:
            raise CorpusError(f"shard {shard}: needs at least one sample")
        first = samples[0]
        for sample in samples:
            same = (sample.signal.shape, sample.channels, sample.sampling)
            if same != (first.signal.shape, first.channels, first.sampling):
                raise CorpusError(
                    f"shard {shard}: samples {first.index} and {sample.index} differ in shape, channels or "
                    "sampling; put them into different shards"
                )
        # How many samples there will be is no shard's business: a corpus that was extended has the same bytes.
        recipe = {name: value for name, value in self.recipe.items() if name != GROWS}
        parts = encode_shard(samples, kind=self.kind, recipe=recipe, recipe_hash=self.recipe_hash)
        write_whole(self.path(shard), *parts)
        return self.path(shard)
