"""Atoms and quality of one image: what a worker is asked, and how its answer is kept beside corrections by hand."""

import io
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.app.sessions.corrections import numbers_at, write_edits
from stemforge.app.sessions.records import Edits, Image
from stemforge.app.sessions.store import Session
from stemforge.app.working.process import StoppedError, Worker, WorkerError
from stemforge.errors import InputError
from stemforge.files import write_json, write_whole

DETECT = "stemforge.app.analysis.detection:detect"
LIKELY = "stemforge.app.analysis.detection:find_likely"
JUDGE = "stemforge.app.analysis.quality:judge"
QUALITY = "quality.json"
"""File in an image's folder with what is known of its recording."""
_SECONDS, _SECONDS_PER_PIXEL = 90.0, 4e-5  # 4096² pixels get 13 minutes


def detect_atoms_of(
    session: Session, image: Image, weights: str, worker: Worker, stop: threading.Event
) -> None:
    """Have a worker find the atoms of an image, and keep them; where it is stopped, the image is still to be done.

    Parameters
    ----------
    session, image
        Whose atoms are looked for.
    weights
        Name or file.
    worker
        That looks for them.
    stop
        Ends it when it is set.
    """
    session.change(image, status="working", error=None)
    generation, path = image.generation, str(session.image_folder(image.id) / "image.tif")
    try:
        found = worker.call(
            DETECT,
            _limit(image),
            stop,
            path=path,
            name=image.name,
            detector=image.detector,
            weights=weights,
            sampling=image.sampling if image.sampling_source != "estimated" else None,
            sampling_in_file=image.sampling_in_file,
        )
    except StoppedError:
        return  # it waits for the next start
    except (InputError, WorkerError) as error:
        if image.generation == generation:
            session.change(image, status="failed", error=str(error).replace(path, image.name))
        return
    with session.lock:
        if image.generation == generation and image.id in session.images:
            keep_detection(session, image, found)


def keep_detection(session: Session, image: Image, found: dict[str, Any]) -> None:
    """Keep what a worker found on an image; corrections by hand stay, as far as they fit what was found.

    A server may be killed between any two of the files: edits know places, so that they fit old and new candidates,
    and nothing is measured while there is no ``atoms.json``, which comes last.

    Parameters
    ----------
    session, image
        Whose atoms these are.
    found
        From :func:`stemforge.app.analysis.detection.detect`.
    """
    folder = session.image_folder(image.id)
    old = session.edits(image)
    taken_out = session.removed_places(image)
    table = np.asarray(found["table"])
    stream = io.BytesIO()
    np.save(stream, table)
    (folder / "atoms.json").unlink(missing_ok=True)
    write_whole(folder / "atoms.npy", stream.getbuffer())
    edits = Edits(
        threshold=found["threshold"],
        removed=numbers_at(table[:, :2], taken_out),
        added=old.added,
        masks=old.masks,
    )
    write_edits(folder, edits, table[:, :2])
    write_json(
        folder / "atoms.json",
        {name: found[name] for name in ("columns", "lowest", "facts", "card")},
    )
    values = {name: found[name] for name in ("threshold", "expected_f1", "remarks", "sampling")}
    source = "estimated" if found["estimated"] else image.sampling_source
    session.change(
        image, status="done", error=None, sampling_source=source, **values, **session.counts(image, edits)
    )


def judge_quality_of(
    session: Session, image: Image, worker: Worker, detector: Worker, stop: threading.Event
) -> None:
    """Have a worker judge focus, scan and specimen of an image, and keep what it says.

    Parameters
    ----------
    session, image, stop
        As for :func:`detect_atoms_of`.
    worker
        That judges, by what was found on the image: it needs no network.
    detector
        That looks at the image once more, where the detector's likelihoods are not calibrated.
    """
    folder = session.image_folder(image.id)
    path, limit = str(folder / "image.tif"), _limit(image)
    with session.lock:
        if image.status != "done" or image.id not in session.images:
            return  # it is looked at anew
        generation, known = image.generation, _known_candidates(folder)
        about: dict[str, Any] = {"path": path, "name": image.name, "sampling": image.sampling}
    try:
        known = known or detector.call(LIKELY, limit, stop, **about)
        found = worker.call(JUDGE, limit, stop, **about, **known)
    except StoppedError:
        return
    except (InputError, WorkerError) as error:
        reason = str(error).replace(path, image.name).removeprefix(f"{image.name}: ")
        found = {"verdict": None, "reasons": [reason], "focus": None, "answers": []}
    with session.lock:
        if image.generation != generation or image.id not in session.images:
            return
        write_json(folder / QUALITY, {"answers": found["answers"]})
        values = {name: found[name] for name in ("verdict", "reasons", "focus")}
        session.change(image, judged=generation, **values)


def _known_candidates(folder: Path) -> dict[str, Any] | None:
    """Return candidates on an image and the card of their network; None where they cannot judge its recording."""
    card = json.loads((folder / "atoms.json").read_text(encoding="utf-8")).get("card")
    return None if card is None else {"table": np.load(folder / "atoms.npy")[:, :3], "card": card}


def _limit(image: Image) -> float:
    """Return how long a worker may take [s]."""
    return _SECONDS + _SECONDS_PER_PIXEL * image.shape[0] * image.shape[1]
