"""Who may ask: hosts, origins and the token are checked before anything else, and every answer says what it may do."""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.exceptions import HTTPException

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

_SAFE = {"GET", "HEAD", "OPTIONS"}
_FILES = {"/api/images", "/api/weights"}
_MOST_BYTES = 16 * 2**20  # of a request that is no file: more than the largest edits have
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer that does not say otherwise: nothing is asked of another host, and no other page shows this one."""


def is_loopback(host: str) -> bool:
    """Say whether an address is reached from this machine alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """Stands before the app.

    A page of another host cannot change anything (its origin is another one), cannot show this page, and cannot reach
    it under a name of its own that it lets point to 127.0.0.1 (the host is another one).

    Parameters
    ----------
    app
        What is guarded.
    token
        Needed for everything where the server can be reached from elsewhere; None asks for none and answers under names
        of this machine alone.
    cookie
        Name of the cookie that keeps the token.
    """

    def __init__(self, app: Any, token: str | None, cookie: str) -> None:
        self.app, self.token, self.cookie = app, token, cookie

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await _refuse(send, 403, refusal)
        elif self._is_new(scope):
            await self._let_in(scope, send)
        elif self.token is not None and not _same(cookie_of(headers, self.cookie), self.token):
            await _refuse(send, 401, "The address lacks its token: open the one that stemforge app printed.")
        else:
            # Files are counted where they are read, as a stream; all else is read into memory.
            limited = receive if scope["path"] in _FILES else _limited(receive)
            await self.app(scope, limited, _with_headers(send))

    def _refusal(self, method: str, headers: dict[str, str]) -> str | None:
        host = headers.get("host", "")
        if self.token is None and not is_loopback(_host_of(f"//{host}")):
            return "This server answers under 127.0.0.1 and localhost alone."
        site = headers.get("sec-fetch-site")
        if site in ("cross-site", "same-site") and (
            method not in _SAFE or headers.get("sec-fetch-mode") != "navigate"
        ):
            return "Pages of other sites may not use this server."
        origin = headers.get("origin")
        if origin is not None and method not in _SAFE and origin.partition("://")[2] != host:
            return "Pages of other sites may not change anything here."
        return None

    def _is_new(self, scope: Message) -> bool:
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        return self.token is not None and scope["method"] == "GET" and _same(given, self.token)

    async def _let_in(self, scope: Message, send: Send) -> None:
        """Keep the token as a cookie, and take it out of the address."""
        cookie = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"cache-control", b"no-store")]
        await _with_headers(send)({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def cookie_of(headers: dict[str, str], name: str) -> str:
    """Return the value of a cookie; an empty text without it."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _host_of(address: str) -> str:
    """Return the host of an address; an empty text where it is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _same(given: str, token: str | None) -> bool:
    return secrets.compare_digest(given.encode(), (token or "").encode())


def _limited(receive: Receive) -> Receive:
    received = 0

    async def receiving() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > _MOST_BYTES:
            raise HTTPException(413, f"The request is too large: at most {_MOST_BYTES // 2**20} MB are taken")
        return message

    return receiving


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = {name.lower() for name, _ in message.get("headers", [])}
            message["headers"] = [
                *message.get("headers", []),
                *((n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in known),
            ]
        await send(message)

    return sending


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = b'{"error": "' + sentence.encode() + b'"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
