"""Starting the server: a free port, a token where it is needed, and the page in a browser."""

import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn

from stemforge.app.server.application import create_app
from stemforge.app.server.context import AppSettings
from stemforge.app.server.guard import is_loopback
from stemforge.console import say
from stemforge.errors import InputError
from stemforge.files import make_folder
from stemforge.outputs.locks import hold_folder
from stemforge.outputs.places import check_folder


def run_app(settings: AppSettings, *, browser: bool = True) -> None:
    """Run the app until it is stopped.

    Parameters
    ----------
    settings
        How it runs; port 0 takes a free one, and without a token one is made where other machines can reach it,
        or folders are watched.
    browser
        Open the page.

    Raises
    ------
    InputError
        The address or the folder cannot be used.

    Examples
    --------
    >>> taken = socket.create_server(("127.0.0.1", 0))
    >>> run_app(AppSettings(Path("sessions"), port=taken.getsockname()[1]))
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: host 127.0.0.1, port ...: cannot listen there (...); choose another port
    >>> taken.close()
    """
    listener = _listen(settings.host, settings.port)
    settings = replace(settings, port=listener.getsockname()[1])
    if settings.token is None and not is_loopback(settings.host):
        settings = replace(settings, token=secrets.token_urlsafe(24))
    # What is in the folder is read when no other server changes it any more.
    with listener, _alone(settings.folder):
        if settings.token is None and settings.watch:
            # Other users of this machine reach 127.0.0.1, too, and must not read the folders.
            settings = replace(settings, token=_kept_token(settings.folder))
        config = uvicorn.Config(
            create_app(settings),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        _Server(config, _address(settings), browser).run(sockets=[listener])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other servers out of a folder: two that work on one image would undo each other's."""
    check_folder(folder, "folder")
    make_folder(folder)
    try:
        release = hold_folder(folder)
    except BlockingIOError as error:
        raise InputError(
            f"folder {folder}: another stemforge app is working in it; open its page, or choose another folder"
        ) from error
    try:
        yield
    finally:
        release()


def _kept_token(folder: Path) -> str:
    """Return the token that a folder's pages know, so that they go on after a restart; a new one for a new folder."""
    path = folder / "token"
    with suppress(OSError, UnicodeError):
        token = path.read_text(encoding="ascii").strip()
        if len(token) >= 32 and not path.stat().st_mode & 0o077:
            return token
    token = secrets.token_urlsafe(24)
    path.unlink(missing_ok=True)
    path.touch(0o600, exist_ok=False)
    path.write_text(token, encoding="ascii")
    return token


class _Server(uvicorn.Server):
    """Says where the page is once it answers."""

    def __init__(self, config: uvicorn.Config, address: str, browser: bool) -> None:
        super().__init__(config)
        self.address, self.browser = address, browser

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        say(f"stemforge is at {self.address} (stop with Ctrl-C)")
        if self.browser:
            threading.Thread(target=webbrowser.open, args=(self.address,), daemon=True).start()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        if sys.platform != "win32":  # where it would let two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"host {host}, port {port}: cannot listen there ({reason}); choose another port"
        ) from error
    return listener


def _address(settings: AppSettings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if host in ("0.0.0.0", "[::]"):  # noqa: S104  # compared, not bound
        host = socket.gethostname()
    token = f"?token={settings.token}" if settings.token else ""
    return f"http://{host}:{settings.port}/{token}"
