"""Is a corpus sound? Every shard against its hash, and what is missing, doubled or does not belong."""

import itertools
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stemforge.console import progress
from stemforge.corpus.shard import ShardDamageError, ShardHeader, ShardSchemaError, open_shard, read_header
from stemforge.corpus.writer import GROWS, HEADER, SHARD_SIZE, read_recipe, shard_number
from stemforge.errors import CorpusError
from stemforge.files import PARTIAL

FaultKind = Literal["damaged", "unreadable", "schema", "foreign", "duplicate", "missing", "partial", "header"]

# Files that commands write beside the shards; anything else is foreign.
_KNOWN_NAME = re.compile(r"\..*|[\w.-]+\.(json|jsonl|yaml|csv|log|txt|md|png)")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a corpus.

    Parameters
    ----------
    kind
        ``damaged``: bytes are not those that were written. ``unreadable``: the system would not give them.
        ``schema``: of another version of stemforge. ``foreign``: of another corpus, or no part of one. ``duplicate``:
        samples that another shard holds too. ``missing``: samples that no sound shard holds. ``partial``: left
        half-written. ``header``: recipe.yaml.
    path
        The file; for what is missing, the folder.
    problem, remedy
        What is wrong, and what to do.

    Examples
    --------
    >>> from stemforge import Annotations, CorpusWriter, Sample
    >>> writer = CorpusWriter("corpus", {"name": "demo"}, "0" * 64)
    >>> path = writer.write(0, [Sample(0, np.ones((1, 8, 8), "f4"), 0.3, ("HAADF",), Annotations([]))])
    >>> _ = path.write_bytes(path.read_bytes()[:-100])
    >>> fault, *_ = verify_corpus("corpus")
    >>> fault.kind, fault.path.name, fault.remedy
    ('damaged', 'shard-000000.h5', 'remove it and simulate again to remake it')
    """

    kind: FaultKind
    path: Path
    problem: str
    remedy: str


def verify_corpus(folder: str | Path, *, quiet: bool = True) -> list[Fault]:
    """Find what is wrong with a corpus; every byte of every shard is read.

    Parameters
    ----------
    folder
        Folder of the corpus.
    quiet
        Draw no progress bar.

    Returns
    -------
    list of Fault
        By file; empty for a sound and finished corpus.

    Raises
    ------
    CorpusError
        The folder holds no corpus at all.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from stemforge import Annotations, CorpusWriter, Sample
    >>> writer = CorpusWriter(tempfile.mkdtemp(), {"name": "demo", "num_samples": 2}, "0" * 64)
    >>> path = writer.write(0, [Sample(0, np.ones((1, 8, 8), "f4"), 0.3, ("HAADF",), Annotations([]))])
    >>> [fault.problem for fault in verify_corpus(writer.folder)]
    ['sample 1 is missing']
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder; give the folder of a corpus")
    files = sorted(folder.iterdir())
    shards = [path for path in files if shard_number(path.name) is not None]
    faults: list[Fault] = []
    recipe: dict[str, Any] | None = None
    recipe_hash = kind = None
    try:
        recipe, recipe_hash, kind = read_recipe(folder)
    except CorpusError:
        if not shards:
            raise
        remedy = f"copy it from another copy, or simulate again with the same recipe elsewhere and take its {HEADER}"
        faults.append(Fault("header", folder / HEADER, "is missing or cannot be read", remedy))
    for path in files:
        if path.suffix == PARTIAL:
            remedy = "remove it once no simulation runs; simulate does so itself"
            faults.append(Fault("partial", path, "was left half-written", remedy))
        elif shard_number(path.name) is None and (path.is_dir() or not _KNOWN_NAME.fullmatch(path.name)):
            faults.append(Fault("foreign", path, "is no part of a corpus", "move it away"))

    def examine(path: Path) -> ShardHeader | Fault:
        return _examine(path, recipe, recipe_hash, kind)

    headers: dict[Path, ShardHeader] = {}
    # Reading and hashing release the interpreter's lock; disks like several readers.
    with (
        progress(f"verify {folder}", len(shards), "shards", quiet) as advance,
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
    ):
        for path, result in zip(shards, pool.map(examine, shards), strict=True):
            if isinstance(result, Fault):
                faults.append(result)
            else:
                headers[path] = result
            advance(1)
    faults += _coverage(folder, recipe or {}, headers)
    return sorted(faults, key=lambda fault: (fault.path == folder, fault.path))


def remove_damaged(faults: Iterable[Fault]) -> int:
    """Remove the shards that are damaged, so that the simulation makes them again; return how many.

    Examples
    --------
    >>> from stemforge import Annotations, CorpusWriter, Sample
    >>> writer = CorpusWriter("corpus", {"name": "demo"}, "0" * 64)
    >>> path = writer.write(0, [Sample(0, np.ones((1, 8, 8), "f4"), 0.3, ("HAADF",), Annotations([]))])
    >>> _ = path.write_bytes(path.read_bytes()[:-100])
    >>> remove_damaged(verify_corpus("corpus")), path.exists()
    (1, False)
    """
    paths = [fault.path for fault in faults if fault.kind == "damaged"]
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def _examine(
    path: Path, recipe: dict[str, Any] | None, recipe_hash: str | None, kind: str | None
) -> ShardHeader | Fault:
    """Return the header of a shard that is sound and belongs to the corpus."""
    again = "remove it and simulate again to remake it"
    try:
        header = read_header(path)
        if recipe_hash not in (None, header.recipe_hash):
            problem = f"belongs to another recipe (hash {header.recipe_hash[:12]})"
            return Fault("foreign", path, problem, "move it away")
        with open_shard(path, anew=True) as h5:
            same = h5.attrs["recipe_hash"] == header.recipe_hash
            if not same or not np.array_equal(h5["index"], header.indices):
                return Fault("damaged", path, "header and content name different samples", again)
            written = (h5.attrs["kind"], _fixed(json.loads(h5.attrs["recipe"])))
    except ShardSchemaError as error:
        problem = str(error).removeprefix(f"{path}: ")
        return Fault("schema", path, problem, "read it with the stemforge that made it, or simulate again")
    except ShardDamageError as error:
        return Fault("damaged", path, error.why, again)
    except CorpusError as error:
        problem = str(error).removeprefix(f"{path}: ").partition("; check")[0]
        return Fault("unreadable", path, problem, "mend access to the file, then verify again")
    if recipe is not None and written != (kind, _fixed(recipe)):
        problem = f"was made by settings that differ from those in {HEADER}"
        return Fault("header", path, problem, f"put {HEADER} back as it was")
    return header


def _fixed(recipe: dict[str, Any]) -> str:
    """Return a recipe without what may grow, to be compared."""
    return json.dumps({**recipe, GROWS: None}, sort_keys=True, default=str)


def _coverage(folder: Path, recipe: dict[str, Any], headers: dict[Path, ShardHeader]) -> Iterator[Fault]:
    """Yield what is doubled and what is missing."""
    size = recipe.get(SHARD_SIZE)
    holders: dict[int, list[Path]] = defaultdict(list)
    for path, header in headers.items():
        for index in header.indices.tolist():
            holders[index].append(path)
    doubled: dict[Path, tuple[Path, list[int]]] = {}
    for index, paths in holders.items():
        if len(paths) > 1:
            # The copy is the one whose name belongs to other samples, else the later one.
            named = [p for p in paths if size and shard_number(p.name) == index // size]
            keep = (named or paths)[0]
            for path in paths:
                if path != keep:
                    doubled.setdefault(path, (keep, []))[1].append(index)
    for path, (keep, indices) in doubled.items():
        yield Fault("duplicate", path, f"holds {_named(indices)} as {keep.name} does", "move it away")
    promised = recipe.get(GROWS)
    number = promised if isinstance(promised, int) else max(holders, default=-1) + 1
    beyond = [index for index in holders if index >= number]
    if beyond:
        remedy = f"put {HEADER} back as it was"
        yield Fault(
            "header", folder / HEADER, f"promises {number} samples, but shards hold {_named(beyond)}", remedy
        )
    # As runs: a header may promise any number.
    held = [-1, *sorted(index for index in holders if index < number), number]
    missing = [(a + 1, b - 1) for a, b in itertools.pairwise(held) if b - a > 1]
    if missing:
        where = ""
        if size:
            shards = _joined((first // size, last // size) for first, last in missing)
            where = f" (shard{'s' if _length(shards) > 1 else ''} {_ranges(shards)})"
        several = _length(missing) > 1
        remedy = "simulate again with the same recipe to make them" if size else "make the corpus again"
        problem = f"sample{'s' * several} {_ranges(missing)} {'are' if several else 'is'} missing{where}"
        yield Fault("missing", folder, problem, remedy)


_Runs = list[tuple[int, int]]  # ascending whole numbers as (first, last) of those in a row


def _named(indices: Iterable[int]) -> str:
    runs = _joined((index, index) for index in sorted(indices))
    return f"sample{'s' if _length(runs) > 1 else ''} {_ranges(runs)}"


def _joined(runs: Iterable[tuple[int, int]]) -> _Runs:
    """Return ascending runs with those that touch or share numbers as one."""
    made: _Runs = []
    for first, last in runs:
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(last, made[-1][1]))
        else:
            made.append((first, last))
    return made


def _length(runs: _Runs) -> int:
    return sum(last - first + 1 for first, last in runs)


def _ranges(runs: _Runs) -> str:
    """Write runs as ranges; of many, the first ones."""
    texts = [f"{first}–{last}" if last > first else str(first) for first, last in runs]
    return ", ".join(texts[:8]) + (f" and {_length(runs[8:])} more" if len(texts) > 8 else "")
