"""Folders of images sorted: everything looked at once, or as a microscope writes it; tables that are always whole."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.evaluate.triage.examiners import Examination, Examiners
from stemforge.evaluate.triage.folders import check_folders
from stemforge.evaluate.triage.session import Session
from stemforge.evaluate.triage.watching import Watch, look_on
from stemforge.infer import Outcome
from stemforge.outputs.folder import ResultFolder

_DEFAULT = Examination()


def triage_folders(
    folders: Sequence[Path],
    out: ResultFolder,
    examination: Examination = _DEFAULT,
    *,
    watch: Watch | None = None,
    workers: int = 2,
    quiet: bool = False,
) -> Outcome:
    """Sort the images in folders by whether they are worth opening.

    Writes a table with a row an image, the best first (``triage.csv``), what its columns mean (``triage.json``), and a
    sheet of the best and the doubtful images (``contact-sheet.png``). ``run.json`` keeps what was measured: images that
    did not change are not looked at again, unless results are to be replaced. What cannot be read has a row that says
    why.

    Parameters
    ----------
    folders
        With image files, also in folders below.
    out
        Where results go.
    examination
        Detector, and how files are read.
    watch
        Go on looking for new files; None looks once.
    workers
        Processes that work side by side.
    quiet
        Show no progress.

    Returns
    -------
    Outcome
        How many images there are, how many to open first, and which could not be read.

    Raises
    ------
    InputError
        Folders, weights or results that cannot be; nothing has been written then.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from stemforge.micrograph.writers import write_tiff
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_tiff(folder / "noise.tif", np.random.default_rng(0).poisson(30.0, (96, 96)), 0.25)
    >>> triage_folders([folder], ResultFolder(folder / "triage"), workers=1, quiet=True)
    Outcome(images=1, found=0, failed=())
    """
    if workers < 1:
        raise InputError(f"workers must be 1 at least, not {workers}")
    check_folders(folders)
    session = Session(folders, out, examination, quiet)
    if watch is None and not session.files():
        raise InputError(
            f"{', '.join(map(str, folders))}: no image file in it; give folders with images, or watch"
        )
    with Examiners(examination, workers) as examiners:
        try:
            if watch is None:
                session.look_once(examiners)
            else:
                say(f"watching {', '.join(map(str, folders))}; Ctrl-C ends it, and keeps what was measured")
                with suppress(KeyboardInterrupt):
                    look_on(session, examiners, watch)
        finally:
            session.save(draw=True)
    return session.outcome()
