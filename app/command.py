"""The commands of this room: ``stemforge app``, and an icon that starts it."""

from importlib.util import find_spec
from pathlib import Path

from stemforge import app
from stemforge.console import say
from stemforge.errors import InputError
from stemforge.installation.requirements import install_command
from stemforge.options import Folders

_NEEDED = ("fastapi", "uvicorn", "python_multipart")


def serve(
    *,
    port: int = 8642,
    host: str = "127.0.0.1",
    folder: Path = Path("stemforge-app"),
    browser: bool = True,
    upload_megabytes: int = 512,
    session_gigabytes: float = 20.0,
    watch_folder: Folders | None = None,
) -> None:
    """Open a page in the browser to see, correct and count atoms on images, without further commands.

    Drop image files on the page: atoms are found, can be corrected by hand, and become tables, pictures, a report and
    labels to train with. Everything stays on this machine: the page is reached from it alone and asks no other one for
    anything. What is done is kept in a folder, and goes on after a restart. docs/app.md shows the page.

    Parameters
    ----------
    port
        Port of the server; 0 takes a free one.
    host
        Address to listen at. Another one than 127.0.0.1 lets other machines in that know the token, which the printed
        address holds; use it in a network that you trust, for nothing is encrypted.
    folder
        Folder in which images, corrections and results are kept.
    browser
        Open the page in a browser.
    upload_megabytes
        Largest file that is taken [MB].
    session_gigabytes
        Most that one session may take of the disk [GB].
    watch_folder
        Folders that a microscope writes, whose new images the page may show as they come. A browser cannot name a
        folder of this machine: only those given here can be watched, and then the page asks for the token in the
        printed address.
    """
    from stemforge.evaluate.triage.folders import check_folders

    _check_installed(_NEEDED)
    if upload_megabytes < 1:
        raise InputError(f"upload_megabytes must be at least 1, not {upload_megabytes}")
    if not 0 < session_gigabytes < float("inf"):
        raise InputError(f"session_gigabytes must be a positive number, not {session_gigabytes}")
    watched = watch_folder or []
    check_folders(watched)
    for one in watched:
        if not one.is_dir():
            raise InputError(
                f"watch_folder {one}: is no folder; give the one that the microscope writes into"
            )
    settings = app.AppSettings(
        folder.absolute(),
        host,
        port,
        upload_bytes=upload_megabytes * 2**20,
        session_bytes=int(session_gigabytes * 1e9),
        watch=tuple(one.resolve() for one in watched),
    )
    app.run_app(settings, browser=browser)


def shortcut(*, folder: Path = Path("~/stemforge-app")) -> None:
    """Put an icon on the desktop and into the menu of programs that starts ``stemforge app``, with this Python.

    From then on nobody needs a terminal: the icon opens the page, and a window with the server's messages that ends it
    when it is closed. An icon of the same name is replaced.

    Parameters
    ----------
    folder
        Folder in which images, corrections and results are kept.
    """
    _check_installed((*_NEEDED, "pyshortcuts"))
    place = folder.expanduser()
    if place.exists() and not place.is_dir():
        raise InputError(f"folder: {place} is no folder")
    for icon in app.add_shortcut(place):
        say(str(icon))


def _check_installed(modules: tuple[str, ...]) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise InputError(f"the app needs {', '.join(missing)}; install it with: {install_command('app')}")
