"""Processes that look at files side by side, each with the detector in memory."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from stemforge.errors import InputError
from stemforge.evaluate.triage.folders import ImageFile
from stemforge.evaluate.triage.measuring import triage_micrograph
from stemforge.evaluate.triage.result import UNREADABLE, ImageTriage
from stemforge.infer.resampling import enough_memory
from stemforge.infer.weights import load_finder
from stemforge.options import Reading
from stemforge.simulate.running.spawning import main_not_imported
from stemforge.simulate.running.stopping import StopSignals

# What a library may raise on an image that it was not made for; the next image must not suffer from it.
_FAULTS = (ValueError, ArithmeticError, LookupError, RuntimeError, MemoryError, OSError)
_AHEAD = 3  # files given to each process in advance
_ATTEMPTS = 3  # of a file in whose work a process ended: it may have been another one's memory


@dataclass(frozen=True)
class Examination:
    """How files are looked at.

    Parameters
    ----------
    weights
        A file, or the name of weights that come with stemforge.
    reading
        Pixel size and frames.
    device
        Where the network runs.
    """

    weights: str = "any-atom"
    reading: Reading = Reading()
    device: str = "cpu"

    def detector(self) -> tuple[Any, Any]:
        """Return model and card.

        Raises
        ------
        InputError
            Weights of another kind of network, or whose likelihoods are not calibrated.
        """
        model, card = load_finder(self.weights, "atoms")
        if card.calibration is None or card.counting is None:
            raise InputError(
                f"weights {self.weights}: their likelihoods are not calibrated, and probabilities follow from these; "
                "run stemforge evaluate threshold first, or take any-atom"
            )
        return model, card

    def examine(self, file: ImageFile, detector: tuple[Any, Any]) -> list[ImageTriage]:
        """Look at one file; what cannot be read is one entry that says why."""
        blank = ImageTriage(file.name, str(file.path))
        if file.unreachable:
            return [replace(blank, verdict=UNREADABLE, reasons=(file.unreachable,))]
        try:
            micrographs = self.reading.read(file.path)
            found = []
            for number, micrograph in enumerate(micrographs):
                with enough_memory(micrograph.name):
                    one = triage_micrograph(micrograph, *detector, device=self.device)
                several = len(micrographs) > 1
                name = f"{file.name} [{number}]" if several else file.name
                frame = number if several else self.reading.frame
                found.append(replace(one, image=name, file=str(file.path), frame=frame))
        except _FAULTS as error:
            return [replace(blank, verdict=UNREADABLE, reasons=(_reason(error, file.path),))]
        return found


def _reason(error: Exception, path: Path) -> str:
    text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return text.removeprefix(f"{path}: ").removeprefix(f"{path.stem}: ")


class Examiners:
    """Some processes that examine files; with one, the work is done in this process.

    Parameters
    ----------
    examination
        How files are looked at.
    workers
        Number of processes.
    """

    def __init__(self, examination: Examination, workers: int) -> None:
        self.examination, self.workers = examination, workers
        self.detector = examination.detector()
        self._pool: ProcessPoolExecutor | None = None
        self._attempts: dict[Path, int] = {}
        self._signals = StopSignals()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._signals)
        if self.workers > 1:
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._stack.close()

    def submit(self, file: ImageFile) -> "Future[list[ImageTriage]]":
        """Have a file looked at."""
        if self._pool is None:
            future: Future[list[ImageTriage]] = Future()
            future.set_result(self.examination.examine(file, self.detector))
            return future
        try:
            return self._submit(self._pool, file)
        except BrokenProcessPool:
            return self._submit(self._start(), file)

    def _submit(self, pool: ProcessPoolExecutor, file: ImageFile) -> "Future[list[ImageTriage]]":
        """Give a file to the processes, which are started one by one as files come.

        A Ctrl-C in the terminal is for this process alone, and so it is while a new one imports what it needs.
        """
        with self._signals.held(), main_not_imported():
            return pool.submit(_examine, file)

    def result(
        self, file: ImageFile, future: "Future[list[ImageTriage]]", alone: bool
    ) -> list[ImageTriage] | None:
        """Return what came of a file; None where its process ended, and the file is to be given once more, alone.

        With a process all files that were given end, whichever of them it was: only one that was alone has failed.
        """
        try:
            return future.result()
        except BrokenProcessPool:
            attempts = self._attempts[file.path] = self._attempts.get(file.path, 0) + alone
            if attempts < _ATTEMPTS:
                return None
            reason = "the process that looked at it was ended, as where memory is short"
            return [ImageTriage(file.name, str(file.path), reasons=(reason,))]

    def _start(self) -> ProcessPoolExecutor:
        """Return new processes."""
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self.workers, context, _begin, (self.examination,))
        return self._pool


def examined(
    files: Sequence[ImageFile], examiners: Examiners
) -> Iterator[tuple[ImageFile, list[ImageTriage]]]:
    """Yield files with what was found on them, in the order in which they are finished."""
    waiting = list(reversed(files))
    suspects: list[
        ImageFile
    ] = []  # in whose work a process ended, by them or by another file: looked at alone
    running: dict[Future[list[ImageTriage]], ImageFile] = {}
    while waiting or suspects or running:
        alone = not (waiting or running)
        if alone:
            file = suspects.pop(0)
            running[examiners.submit(file)] = file
        while waiting and len(running) < _AHEAD * examiners.workers:
            file = waiting.pop()
            running[examiners.submit(file)] = file
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            file = running.pop(future)
            found = examiners.result(file, future, alone)
            if found is None:
                suspects.append(file)
            else:
                yield file, found


_state: dict[str, Callable[[ImageFile], list[ImageTriage]]] = {}


def _begin(examination: Examination) -> None:
    """Make a new process ready: one thread, and the detector in memory."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    detector = examination.detector()
    _state["examine"] = lambda file: examination.examine(file, detector)


def _examine(file: ImageFile) -> list[ImageTriage]:
    return _state["examine"](file)
