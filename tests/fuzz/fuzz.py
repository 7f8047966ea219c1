"""Read many damaged files and count what happens: ``python tests/fuzz/fuzz.py --cases 20000``.

Each case is a seed's files, one of them damaged, read by the public function of its format in a process that is
watched. A case is at fault where the function raises anything that it does not promise, refuses without naming the
file, takes more than ten seconds of the processor's time, needs more than 2 GB, ends its process, or takes nonsense for
sound. Numbers say which case it was: ``--only dm4:123`` with the same seed reads it again, and shows the traceback.
``--hostile`` reads the files that were made to do harm instead.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from formats import FORMATS, HOSTILE, Format, Seed, WrongError, warm_up
from mutations import mutate

LARGEST = 2 << 30  # bytes of memory, of a process and what it started
SOUND = ("read", "refused")


@dataclass(frozen=True)
class Finding:
    """A case at fault: which, what it did, and the damaged file."""

    case: str
    kind: str
    what: str
    file: str


def damaged(fmt: str, number: int, seeds: list[Seed], seed: int) -> tuple[Seed, str]:
    """Return a seed with one file damaged, and the name of that file; the first cases are the seeds as they are."""
    form = FORMATS[fmt]
    if number < len(seeds):
        return seeds[number], seeds[number].entry
    rng = np.random.default_rng([seed, zlib.crc32(fmt.encode()), number])
    chosen = seeds[int(rng.integers(len(seeds)))]
    other = seeds[int(rng.integers(len(seeds)))]
    names = sorted(chosen.files)
    name = names[int(rng.integers(len(names)))]
    content = chosen.files[name]
    donor = other.files.get(name) or next(iter(other.files.values()))
    # Texts live in binary files too: JSON, XML, tags.
    text = form.text or Path(name).suffix in (".yaml", ".emi") or rng.random() < 0.1
    changed = mutate(content, donor, rng, text)
    if form.forge is not None:
        changed = form.forge(name, changed)
    return Seed(chosen.entry, chosen.files | {name: changed}), name


def judge(form: Format, case: Seed, folder: Path) -> tuple[str, str]:
    """Write the files, read them, and return what came of it: "read", "refused", or a fault and what it was."""
    for name, content in case.files.items():
        (folder / name).write_bytes(content)
    path = folder if case.entry == "." else folder / case.entry
    try:
        form.read(path)
    except form.refuses as error:
        named = str(path) in str(error)
        return ("refused", "") if named else ("nameless", f"{type(error).__name__}: {error}"[:300])
    except WrongError as error:
        return "wrong", str(error)
    except BaseException:
        return "traceback", traceback.format_exc(limit=-6)[-2500:]
    finally:
        for file in folder.iterdir():
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    return "read", ""


def _peak(pid: int | str = "self") -> int:
    """Return the most memory that a process ever had in use [bytes]."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def _processor_time(process: psutil.Process) -> float:
    """Return what a process and the ended ones of its children used [s]."""
    with contextlib.suppress(psutil.Error):
        return sum(process.cpu_times()[:4])
    return 0.0


def _work(pipe: Connection, seeds: dict[str, list[Seed]], seed: int, folder: Path) -> None:
    """Read one case after the other, in a process of its own."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    warnings.simplefilter("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    warm_up(folder)
    pipe.send("ready")
    with contextlib.suppress(EOFError):
        while True:
            fmt, number = pipe.recv()
            kind, what = judge(FORMATS[fmt], damaged(fmt, number, seeds[fmt], seed)[0], folder)
            peak = _peak()
            if peak > LARGEST:
                kind, what = "memory", f"{peak / 1e9:.1f} GB"
            pipe.send((kind, what, peak))
            if kind == "memory":  # a peak stays with its process
                return


class Worker:
    """A process that reads cases, and is ended when it takes too long or too much."""

    def __init__(self, seeds: dict[str, list[Seed]], seed: int, folder: Path, limit: float) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, other = context.Pipe()
        self.folder, self.limit = folder, limit
        self.process = context.Process(target=_work, args=(other, seeds, seed, folder), daemon=False)
        self.process.start()
        other.close()
        self.ready = False
        self.case: tuple[str, int] | None = None
        self.began = 0.0
        self.before: float | None = None

    def give(self, case: tuple[str, int]) -> None:
        self.case, self.began, self.before = case, time.monotonic(), None
        self.pipe.send(case)

    def family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.process.pid)
            return [process, *process.children(recursive=True)]
        return []

    def excess(self) -> tuple[str, str] | None:
        """Say what the running case does too much of."""
        elapsed = time.monotonic() - self.began
        if elapsed < 0.1:
            return None
        family = self.family()
        used = sum(map(_processor_time, family))
        self.before = used if self.before is None else self.before
        # A busy machine makes anything slow: what counts is the processor's time, or that nothing happens for long.
        if used - self.before > self.limit or elapsed > 6 * self.limit:
            return "hang", f"{used - self.before:.0f} s of the processor's time in {elapsed:.0f} s"
        peak = max((_peak(process.pid) for process in family), default=0)
        if peak > LARGEST:
            return "memory", f"{peak / 1e9:.1f} GB after {elapsed:.1f} s"
        return None

    def end(self) -> None:
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.join()
        self.pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Tally:
    """What came of the cases: how often, which at fault, which sound files were read, and the extremes."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[tuple[tuple[str, int], str, str]] = field(default_factory=list)
    seeds_read: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    largest: float = 0.0


class Run:
    """Reads cases with some workers, for so many seconds at most."""

    def __init__(self, seeds: dict[str, list[Seed]], seed: int, limit: float) -> None:
        self.seeds, self.seed, self.limit = seeds, seed, limit
        self.numbers = itertools.count()
        self.tally = Tally()

    def read(self, cases: list[tuple[str, int]], workers: int, seconds: float) -> Tally:
        """Read the cases, and return what came of them."""
        waiting = deque(cases)
        until = time.monotonic() + seconds
        with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
            team = [self._start(place) for _ in range(workers)]
            while True:
                more = waiting and time.monotonic() < until
                for worker in team:
                    if worker.ready and worker.case is None and waiting and more:
                        worker.give(waiting.popleft())
                busy = {
                    worker.pipe: worker
                    for worker in team
                    if worker.case is not None or (more and not worker.ready)
                }
                if not busy:
                    break
                answering = [busy.pop(pipe) for pipe in wait(list(busy), timeout=0.05)]
                ended = [worker for worker in answering if not self._answered(worker)]
                for worker in busy.values():
                    if worker.ready and (excess := worker.excess()):
                        self._note(worker, *excess)
                        ended.append(worker)
                for worker in ended:
                    worker.end()
                    team[team.index(worker)] = self._start(place)
            for worker in team:
                worker.end()
        return self.tally

    def _start(self, place: str) -> Worker:
        return Worker(self.seeds, self.seed, Path(place) / str(next(self.numbers)), self.limit)

    def _answered(self, worker: Worker) -> bool:
        """Note what a worker has to say of its case; return whether it can go on."""
        if not worker.ready:
            worker.ready = worker.pipe.recv() == "ready"
            return True
        try:
            kind, what, peak = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            kind, what, peak = "died", f"exit code {worker.process.exitcode}", 0
        self.tally.slowest = max(self.tally.slowest, time.monotonic() - worker.began)
        self.tally.largest = max(self.tally.largest, peak / 1e9)
        self._note(worker, kind, what)
        return kind not in ("memory", "died")

    def _note(self, worker: Worker, kind: str, what: str) -> None:
        assert worker.case is not None
        name, number = worker.case
        self.tally.counts[name, kind] += 1
        self.tally.seeds_read[name] += kind == "read" and number < len(self.seeds[name])
        if kind not in SOUND:
            self.tally.faults.append((worker.case, kind, what))
        worker.case = None


def spread(total: int, names: list[str]) -> list[tuple[str, int]]:
    """Return that many cases, divided by the formats' shares, the formats in turn."""
    shares = np.array([FORMATS[name].share for name in names])
    order = sorted(
        ((n + 1) / share, name, n)
        for name, share in zip(names, shares, strict=True)
        for n in range(int(np.ceil(total * share / shares.sum())))
    )
    return [(name, n) for _, name, n in order[:total]]


def make_seeds(names: list[str]) -> dict[str, list[Seed]]:
    """Write the sound files of the formats."""
    made = {}
    with tempfile.TemporaryDirectory(prefix="seeds-") as place:
        for name in names:
            folder = Path(place) / name
            folder.mkdir()
            made[name] = list(FORMATS[name].seeds(folder))
    return made


def extend(path: str) -> list[str]:
    """Take further formats from a module, its mapping FORMATS; return their names."""
    spec = importlib.util.spec_from_file_location("more_formats", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    FORMATS.update(module.FORMATS)
    return list(module.FORMATS)


def main(arguments: list[str] | None = None) -> int:
    """Fuzz, print a table and write findings; return 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=float, default=10, help="seconds of the processor's time for a case")
    parser.add_argument(
        "--minutes", type=float, default=30, help="for all cases; what is left over is not read"
    )
    parser.add_argument("--formats", help="names, separated by commas; all by default")
    parser.add_argument("--hostile", action="store_true", help="read the files that were made to do harm")
    parser.add_argument(
        "--only", help="one case, such as dm4:123: read it in this process, show what happens"
    )
    parser.add_argument("--out", type=Path, help="folder for result.json and the files at fault")
    parser.add_argument("--table", help="a Python file with formats to fuzz instead")
    options = parser.parse_args(arguments)
    names = list(HOSTILE if options.hostile else FORMATS)
    FORMATS.update(HOSTILE)
    if options.table:
        names = extend(options.table)
    if options.formats:
        names = options.formats.split(",")
    if options.only:
        names = [options.only.split(":")[0]]
    seeds = make_seeds(names)
    if options.only:
        return _show(options.only, seeds, options)
    cases = spread(options.cases, names)
    if options.hostile:
        cases = [(name, number) for name in names for number in range(len(seeds[name]))]
    began = time.monotonic()
    tally = Run(seeds, options.seed, options.limit).read(cases, options.workers, 60 * options.minutes)
    result: dict[str, Any] = {
        "seed": options.seed,
        "seeds_sha256": _digest(seeds),
        "cases": sum(tally.counts.values()),
        "seconds": round(time.monotonic() - began, 1),
        "slowest_s": round(tally.slowest, 2),
        "largest_gb": round(tally.largest, 2),
        "seeds_read": {name: tally.seeds_read[name] for name in names},
        "counts": {
            name: {kind: n for (fmt, kind), n in tally.counts.items() if fmt == name and n} for name in names
        },
        "findings": _findings(tally.faults, seeds, options),
    }
    sys.stdout.write(json.dumps({k: v for k, v in result.items() if k != "findings"}, indent=1) + "\n")
    for finding in result["findings"]:
        sys.stdout.write(f"\n== {finding['case']} {finding['kind']} {finding['file']}\n{finding['what']}\n")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "result.json").write_text(json.dumps(result, indent=1))
    return 1 if tally.faults else 0


def _digest(seeds: dict[str, list[Seed]]) -> str:
    """Return what two machines whose cases are the same have in common."""
    digest = hashlib.sha256()
    for name, several in seeds.items():
        for seed in several:
            for file, content in seed.files.items():
                digest.update(f"{name} {file} {len(content)}".encode() + content)
    return digest.hexdigest()


def _findings(
    faults: list[tuple[tuple[str, int], str, str]], seeds: dict[str, list[Seed]], options: argparse.Namespace
) -> list[dict[str, str]]:
    found = []
    for (fmt, number), kind, what in faults:
        case, name = damaged(fmt, number, seeds[fmt], options.seed)
        file = ""
        if options.out:
            folder = options.out / f"{kind}-{fmt}-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            for one, content in case.files.items():
                (folder / one).write_bytes(content)
            file = str(folder / name)
        found.append(asdict(Finding(f"{fmt}:{number}", kind, what, file)))
    return found


def _show(only: str, seeds: dict[str, list[Seed]], options: argparse.Namespace) -> int:
    fmt, number = only.split(":")
    case, name = damaged(fmt, int(number), seeds[fmt], options.seed)
    folder = options.out or Path(tempfile.mkdtemp(prefix="fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    for one, content in case.files.items():
        (folder / one).write_bytes(content)
    sys.stdout.write(f"damaged: {folder / name}\n")
    FORMATS[fmt].read(folder if case.entry == "." else folder / case.entry)
    return 0


if __name__ == "__main__":
    sys.exit(main())
