"""Which detectors a session can choose from."""

from stemforge.app.analysis.detectors import SHIPPED
from stemforge.app.server.context import RefusedError
from stemforge.app.sessions.store import Session


def detectors_of(session: Session) -> list[dict[str, str]]:
    """Return the detectors that come with stemforge, those that were fine-tuned in a session, and the user's."""
    tuned = [
        {
            "name": f"job:{job.id}",
            "label": f"Fine-tuned {number}",
            "description": f"Trained further on your corrections. {job.message}".strip(),
        }
        for number, job in enumerate(
            (one for one in session.jobs.values() if one.kind == "fine-tune" and one.status == "done"),
            start=1,
        )
    ]
    brought = [
        {"name": f"weights:{one.id}", "label": one.name, "description": one.description}
        for one in list(session.weights.values())
    ]
    return [*SHIPPED, *tuned, *brought]


def check_detector(session: Session, name: str) -> str:
    """Return the name of a detector.

    Raises
    ------
    RefusedError
        It is none of the session's.
    """
    if name not in {one["name"] for one in detectors_of(session)}:
        raise RefusedError(422, "This detector is not known; choose one of the list.")
    return name
