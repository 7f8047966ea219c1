"""How an image of a zeolite is worked on: which worker call it is, how far it will be, and what becomes of it."""

import json
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from stemforge.app.sessions.records import Image
from stemforge.app.sessions.store import Session
from stemforge.app.working.process import StoppedError, Worker, WorkerError
from stemforge.errors import InputError

ANALYSE = "stemforge.app.analysis.molecules:analyse"
FOLDER = "molecules"
"""Where an image's folder keeps what was found."""
FRAMEWORK = "framework.cif"
"""A framework that a user gave, in the image's folder."""

_SECONDS, _SECONDS_PER_PIXEL = 300.0, 2e-3
# What each stage takes: a start, and more for each pixel [s], on two busy cores; each image corrects it.
_STAGES = {
    "restore": ("Restoring", 2.0, 2e-5),
    "boxes": ("Looking for molecules", 1.0, 2e-5),
    "channels": ("Asking each channel", 4.0, 1e-4),
}
_EVERY = 0.5  # seconds between two words on how far it is
_SLOWEST, _FASTEST = 20.0, 0.05


class Pace:
    """How long images take on this machine, beside what was expected; learnt from each that was done."""

    def __init__(self) -> None:
        self.factor = 1.0

    def expected(self, pixels: int) -> dict[str, float]:
        """Return how long each stage will take [s]."""
        return {name: self.factor * (start + each * pixels) for name, (_, start, each) in _STAGES.items()}

    def learn(self, pixels: int, seconds: float) -> None:
        """Take note of what an image took in all [s]."""
        usual = sum(self.expected(pixels).values()) / self.factor
        self.factor = min(max(seconds / usual, _FASTEST), _SLOWEST)


def share_done(expected: dict[str, float], stage: str, seconds: float) -> tuple[float, float]:
    """Return what share of the work is done, and how long the rest will take [s].

    Parameters
    ----------
    expected
        Time of each stage, in their order [s].
    stage
        The one being worked on.
    seconds
        Since it began. One that takes longer than expected comes to its end ever more slowly.

    Examples
    --------
    >>> share_done({"restore": 10.0, "channels": 30.0}, "channels", 15.0)
    (0.625, 15.0)
    """
    names = list(expected)
    place = names.index(stage) if stage in names else 0
    usual = expected[names[place]]
    done = seconds if seconds <= 0.8 * usual else usual * (1 - 0.16 * usual / (seconds or usual))
    later = sum(expected[name] for name in names[place + 1 :])
    earlier = sum(expected[name] for name in names[:place])
    return round((earlier + done) / (earlier + usual + later), 3), usual - done + later


def find_molecules(
    session: Session, image: Image, worker: Worker, ended: threading.Event, pace: Pace
) -> None:
    """Have a worker look at an image of a zeolite, and keep what it found; where the image was changed, nothing."""
    folder = session.image_folder(image.id)
    out = folder / FOLDER
    generation, begun = image.generation, time.monotonic()
    session.change(image, status="working", error=None, progress=0.0, doing="")
    shutil.rmtree(out, ignore_errors=True)  # of an earlier search, or one that was interrupted
    pixels = image.shape[0] * image.shape[1]
    stop = threading.Event()
    tick = _ticker(session, image, out, pace.expected(pixels))

    def look() -> None:
        if ended.is_set() or image.generation != generation or image.id not in session.images:
            stop.set()
        else:
            tick()

    try:
        found = worker.call(
            ANALYSE,
            _SECONDS + _SECONDS_PER_PIXEL * pixels,
            stop,
            look,
            path=str(folder / "image.tif"),
            name=image.name,
            sampling=image.sampling if image.sampling_source != "estimated" else None,
            sampling_in_file=image.sampling_in_file,
            framework=str(folder / FRAMEWORK) if image.framework == "cif" else image.framework,
            out=str(out),
        )
    except StoppedError:
        return  # it waits for the next start, or for another search
    except (InputError, WorkerError) as error:
        sentence = plain_sentence(str(error), folder, image)
        values: dict[str, Any] = {"status": "failed", "error": sentence, "doing": ""}
    else:
        pace.learn(pixels, time.monotonic() - begun)
        values = _values(found, folder, image)
    with session.lock:
        if image.generation == generation:
            session.change(image, progress=None, **values)


def plain_sentence(sentence: str, folder: Path, image: Image) -> str:
    """Return a sentence of the library with what the user calls things, and no path of the server's.

    Examples
    --------
    >>> image = Image(id="0", name="a.tif", shape=(1, 1), framework_name="mine.cif")
    >>> plain_sentence("x/framework.cif: is empty; lattice of 'framework'", Path("x"), image)
    "mine.cif: is empty; lattice of 'mine.cif'"
    """
    name = image.framework_name or FRAMEWORK
    sentence = sentence.replace(str(folder / FRAMEWORK), name).replace(
        f"'{Path(FRAMEWORK).stem}'", f"'{name}'"
    )
    return sentence.replace(str(folder / "image.tif"), image.name).replace(f"{folder}/", "")


def _values(found: dict[str, Any], folder: Path, image: Image) -> dict[str, Any]:
    source = "estimated" if found["estimated"] else image.sampling_source
    return {
        "status": "done",
        "error": None,
        "count": found["count"] or 0,
        "doing": "" if found["count"] is not None else "channels not known",
        "sampling": found["sampling"],
        "sampling_source": source,
        "threshold": found["threshold"],
        "remarks": [plain_sentence(one, folder, image) for one in found["remarks"]],
    }


def _ticker(session: Session, image: Image, out: Path, expected: dict[str, float]) -> Any:
    """Return what tells now and then how far the work is."""
    stage, since, last = "restore", time.monotonic(), 0.0

    def tick() -> None:
        nonlocal stage, since, last
        now = time.monotonic()
        if now - last < _EVERY:
            return
        last = now
        with suppress(OSError, ValueError, KeyError):
            current = str(json.loads((out / "progress.json").read_text(encoding="utf-8"))["message"])
            if current in _STAGES and current != stage:
                stage, since = current, now
        share, left = share_done(expected, stage, now - since)
        doing = f"{_STAGES[stage][0]}, about {_rounded(left)} left"
        if (share, doing) != (image.progress, image.doing):
            session.note(image, progress=share, doing=doing)

    return tick


def _rounded(seconds: float) -> str:
    """Say a time in steps that do not pretend to be exact."""
    if seconds >= 90:
        return f"{round(seconds / 60)} min"
    return f"{max(5, 5 * round(seconds / 5))} s"
