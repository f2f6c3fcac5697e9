"""A client of a service's REST interface, on the standard library alone.

It shows an API key, or the session of whoever just signed in. Neither crosses a network in the
clear, and neither follows a redirection to somebody else.
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from http.cookies import SimpleCookie
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from wattbay.errors import AdapterError, ConfigError, Fault

Answered = TypeVar("Answered")

API = "/api/v1"
WAIT_S = 30.0
"""How long an answer may take. [s]"""
BLOCK_BYTES = 1 << 16
PROBLEM_BYTES_MAX = 1 << 20
LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})

Json = dict[str, Any]


class Flaw(msgspec.Struct, frozen=True):
    """One thing that is wrong with what was sent."""

    pointer: str = ""
    detail: str = ""


class Problem(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    """Why an answer is not what was wanted, as RFC 9457 has it."""

    kind: str = ""
    title: str = ""
    detail: str = ""
    request_id: str = ""
    entry: int | None = None
    errors: tuple[Flaw, ...] = ()


class Refused(AdapterError):
    """A service did not do what it was asked for; bears the status, and why in words."""

    def __init__(self, status: int, problem: Problem) -> None:
        """Keep what a program may want to look at."""
        self.status = status
        self.problem = problem
        self.kind = problem.kind.rpartition(":")[2]
        super().__init__(_words(status, problem))


def _words(status: int, problem: Problem) -> str:
    """Return a problem as people read it: what would be right first, numbers last."""
    lines = [problem.detail or problem.title or "the service answered with a fault"]
    lines += [
        f"  {flaw.pointer}: {flaw.detail}"
        for flaw in problem.errors
        if flaw.detail not in problem.detail
    ]
    marks = [f"HTTP {status}"]
    if problem.entry is not None:
        marks.append(f"entry {problem.entry}")
    if problem.request_id:
        marks.append(f"request {problem.request_id}")
    lines[-1] += f" ({', '.join(marks)})"
    return "\n".join(lines)


class RestClient:
    """Speaks to one service."""

    def __init__(
        self, url: str, *, key: str = "", authority: Path | None = None, wait_s: float = WAIT_S
    ) -> None:
        """Speak to a service; nothing is sent yet.

        Parameters
        ----------
        key
            An API key; without one it is nobody who asks, until somebody signs in.
        authority
            PEM of who signed the service's certificate, where that is not publicly known.

        Raises
        ------
        ConfigError
            If the address is none, or would carry secrets in the clear.
        """
        self.url = checked_url(url)
        self._key, self._wait_s = key, wait_s
        self._session = ""
        self._opener = _opener(authority, is_direct=_is_loopback(urlsplit(self.url).hostname or ""))

    # --- asking ------------------------------------------------------------------------------

    def get(self, path: str, kind: type[Answered], **query: object) -> Answered:
        """Return what stands at a path.

        Raises
        ------
        Refused
            If the service does not tell it.
        AdapterError
            If it does not answer, or not as agreed.
        """
        return self._read("GET", _target(path, query), kind)

    def tagged(self, path: str, kind: type[Answered]) -> tuple[Answered, str]:
        """Return what stands at a path, and the tag that a change of it has to name."""
        with self._open("GET", path) as answer:
            return _decoded(answer.read(), kind), answer.headers.get("ETag", "")

    def items(
        self, path: str, kind: type[Answered], *, most: int | None = None, **query: object
    ) -> Iterator[Answered]:
        """Yield what a list holds, page by page; at most so many."""
        target: str | None = _target(path, query)
        left = most
        while target is not None:
            page = self._read("GET", target, Json)
            for one in page["items"]:
                if left == 0:
                    return
                left = None if left is None else left - 1
                yield msgspec.convert(one, kind)
            target = page["next"]

    def post(self, path: str, body: object, kind: type[Answered], *, once: str = "") -> Answered:
        """Send something that is to be done; return what came of it.

        Parameters
        ----------
        once
            A name for this request: however often it is sent, it is done once.
        """
        headers = {"Idempotency-Key": once} if once else {}
        return self._read("POST", path, kind, body, headers)

    def put(self, path: str, body: object, kind: type[Answered], *, tag: str = "") -> Answered:
        """Put something in the place of what is there."""
        headers = {"If-Match": tag} if tag else {}
        return self._read("PUT", path, kind, body, headers)

    def patch(self, path: str, body: object, kind: type[Answered], *, tag: str = "") -> Answered:
        """Change some of what is there."""
        headers = {"If-Match": tag} if tag else {}
        return self._read("PATCH", path, kind, body, headers)

    def delete(self, path: str, **query: object) -> None:
        """Take something away."""
        with self._open("DELETE", _target(path, query)) as answer:
            answer.read()

    def save(self, path: str, out: Path, **query: object) -> int:
        """Write an answer of any length to a file; return its length. [bytes]

        A file that is not whole does not come to stand under its name.
        """
        beside = out.with_name(f"{out.name}.part")
        size = 0
        with self._open("GET", _target(path, query)) as answer, beside.open("wb") as file:
            fault: Exception | None = None
            try:
                while block := answer.read(BLOCK_BYTES):
                    file.write(block)
                    size += len(block)
            except (HTTPException, OSError) as error:
                fault = error
            # Of an answer of known length the library does not say that it is short.
            if fault is not None or answer.length:
                beside.unlink()
                raise AdapterError(f"{out}: the service broke off after {size:,} bytes") from fault
        beside.replace(out)
        return size

    # --- signing in --------------------------------------------------------------------------

    def sign_in(self, login: str, password: str) -> bool:
        """Begin a session; tell whether the password has to be changed before anything else."""
        body = {"login": login, "password": password}
        return self._begin_session("POST", f"{API}/session", body)

    def change_password(self, old: str, new: str) -> None:
        """Change the password of who signed in."""
        self._begin_session("PUT", f"{API}/session/password", {"old": old, "new": new})

    def sign_out(self) -> None:
        """End the session."""
        self.delete(f"{API}/session")
        self._session = ""

    def _begin_session(self, method: str, path: str, body: object) -> bool:
        with self._open(method, path, body) as answer:
            for name, morsel in SimpleCookie(answer.headers.get("Set-Cookie", "")).items():
                self._session = f"{name}={morsel.value}"
            return bool(_decoded(answer.read(), Json)["must_change"])

    # --- on the wire -------------------------------------------------------------------------

    def _read(
        self,
        method: str,
        target: str,
        kind: type[Answered],
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        with self._open(method, target, body, headers) as answer:
            return _decoded(answer.read(), kind)

    def _open(
        self,
        method: str,
        target: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> HTTPResponse:
        """Send a request; return its answer, to be read.

        Raises
        ------
        Refused
            If the answer is a problem.
        AdapterError
            If there is none.
        """
        sent = {"Accept": "application/json", **(headers or {})}
        if self._key:
            sent["X-API-Key"] = self._key
        if self._session:
            # A session that changes something has to say that it comes from the service's pages.
            sent |= {"Cookie": self._session, "Origin": self.url}
        if body is not None:
            sent["Content-Type"] = "application/json"
        request = urllib.request.Request(  # noqa: S310 - http or https, as was checked
            self.url + target,
            data=None if body is None else msgspec.json.encode(body),
            headers=sent,
            method=method,
        )
        try:
            answer: HTTPResponse | None = self._opener.open(request, timeout=self._wait_s)
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, _problem(error)) from None
        except (urllib.error.URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            raise AdapterError(f"{self.url} does not answer: {reason}") from error
        if answer is None:
            raise AdapterError(f"{self.url} does not answer")
        return answer


def checked_url(url: str) -> str:
    """Return the address of a service as it is used.

    Raises
    ------
    ConfigError
        If it is none, or secrets would cross a network in the clear.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in {"http", "https"} or not host or parts.path.strip("/") or parts.query:
        raise ConfigError(Fault("URL", repr(url), "such as https://market.example:8443"))
    if parts.scheme == "http" and not _is_loopback(host):
        what = f"passwords and keys would cross the network in the clear to {host}"
        raise ConfigError(Fault("URL", what, "https://, or a tunnel to the loopback"))
    return f"{parts.scheme}://{parts.netloc}"


def path_of(*parts: str) -> str:
    """Return a path of the interface; each part stands as one, whatever it is made of."""
    return "/".join((API, *(quote(part, safe="") for part in parts)))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK_NAMES


def _opener(authority: Path | None, *, is_direct: bool) -> urllib.request.OpenerDirector:
    """Return what opens addresses, and follows no redirection: a key is for one service."""
    context = None if authority is None else _trusting(authority)
    opener = urllib.request.OpenerDirector()
    for one in (
        urllib.request.ProxyHandler({} if is_direct else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(one)
    return opener


def _trusting(authority: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(Fault(str(authority), f"cannot be used: {error}", "a PEM")) from error


def _target(path: str, query: dict[str, object]) -> str:
    said = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(said)}" if said else path


def _problem(error: urllib.error.HTTPError) -> Problem:
    """Return what an answer says is wrong; of one that is no problem, its status."""
    try:
        return msgspec.json.decode(error.read(PROBLEM_BYTES_MAX), type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, HTTPException, OSError):
        return Problem(title=str(error.reason))


def _decoded(body: bytes, kind: type[Answered]) -> Answered:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AdapterError(f"the service answers otherwise than agreed: {error}") from error
