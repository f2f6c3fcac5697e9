"""How an operator comes in: by a password once, from then on by a key that is kept in a file."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

import msgspec
import typer

from wattbay.adapters.rest.client import Json, Refused, RestClient, path_of
from wattbay.errors import AdapterError, ConfigError, Fault

FILE = Path("wattbay") / "operator.json"
"""Below XDG_CONFIG_HOME, otherwise ~/.config."""
PRIVATE = 0o600
UNKNOWN, FORBIDDEN, ABSENT = 401, 403, 404
KEY_PARTS = 3
"""A key is ``wb_PUBLIC_SECRET``."""


class Entrance(msgspec.Struct, frozen=True, kw_only=True):
    """Which service, and who comes in by what."""

    url: str
    login: str
    key: str
    authority: str = ""
    """A file; empty: those that are publicly known."""

    def client(self) -> RestClient:
        """Return a client that shows the key, or nothing."""
        authority = Path(self.authority) if self.authority else None
        return RestClient(self.url, key=self.key, authority=authority)


def kept_at(file: Path | None) -> Path:
    """Return where the entrance is kept."""
    if file is not None:
        return file
    home = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(home) if home else Path.home() / ".config") / FILE


def entrance(file: Path | None) -> Entrance:
    """Return how the operator comes in.

    Raises
    ------
    ConfigError
        If nobody has signed in, or the file holds something else.
    """
    path = kept_at(file)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Entrance)
    except FileNotFoundError:
        remedy = "wattbay operator sign-in URL"
        raise ConfigError(Fault(str(path), "nobody has signed in here", remedy)) from None
    except OSError as error:
        raise ConfigError(Fault(str(path), f"cannot be read: {error.strerror}")) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = f"holds no key: {error}"
        raise ConfigError(Fault(str(path), what, "wattbay operator sign-in URL")) from error


def sign_in(
    entering: Entrance,
    file: Path | None,
    *,
    password_file: Path | None,
    new_password_file: Path | None,
) -> None:
    """Sign in by a password, and keep a key for the next time.

    Parameters
    ----------
    entering
        Whereto, and as whom; its key is made here.
    """
    path = kept_at(file)
    before = None
    with suppress(ConfigError):
        before = entrance(file)
    made = new_key(
        entering, f"operator at {socket.gethostname()}"[:100],
        password_file=password_file, new_password_file=new_password_file,
    )  # fmt: skip
    kept = msgspec.structs.replace(entering, key=made)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_secret(path, msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
    if before is not None and (before.url, before.login) == (kept.url, kept.login):
        revoke(kept.client(), before.key)
    print(f"signed in as {kept.login} at {kept.url}; the key is in {path}")


def new_key(
    entering: Entrance,
    name: str,
    *,
    password_file: Path | None,
    new_password_file: Path | None,
    scopes: tuple[str, ...] = (),
) -> str:
    """Sign in, change the password where it must be, and return a new API key."""
    client = msgspec.structs.replace(entering, key="").client()
    password = password_of(password_file, f"Password of {entering.login}")
    if client.sign_in(entering.login, password):
        typer.echo("this password was for once: choose one, 12 characters or more", err=True)
        prompt = f"New password of {entering.login}"
        chosen = password_of(new_password_file, prompt, is_new=True)
        client.change_password(password, chosen)
    try:
        made = client.post(path_of("keys"), {"name": name, "scopes": scopes}, Json)
    finally:
        client.sign_out()
    return str(made["secret"])


def password_of(file: Path | None, prompt: str, *, is_new: bool = False) -> str:
    """Return a password: the first line of a file, or what is typed unseen.

    Raises
    ------
    ConfigError
        If the file holds none.
    """
    if file is None:
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=is_new, err=True))
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(Fault(str(file), f"cannot be read: {error}")) from error
    if not lines or not lines[0]:
        raise ConfigError(Fault(str(file), "holds no password", "it stands in the first line"))
    return lines[0]


def write_secret(path: Path, text: bytes) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
        file.write(text)
    beside.replace(path)


def sign_out(file: Path | None) -> None:
    """Revoke the key, and forget it."""
    kept = entrance(file)
    revoke(kept.client(), kept.key)
    kept_at(file).unlink()
    print(f"the key of {kept.login} at {kept.url} is revoked")


def revoke(client: RestClient, key: str) -> None:
    """Revoke a key, if it still lets anybody in."""
    parts = key.split("_", KEY_PARTS - 1)
    if len(parts) != KEY_PARTS:
        return
    try:
        client.delete(path_of("keys", parts[1]))
    except Refused as refused:
        if refused.status not in {UNKNOWN, ABSENT}:
            raise


def write_key(
    file: Path | None,
    login: str,
    out: Path,
    *,
    scopes: tuple[str, ...],
    password_file: Path | None,
    new_password_file: Path | None,
) -> None:
    """Write an API key of another login, such as a household's, to a file."""
    if out.exists():
        raise AdapterError(f"{out} is there already; a key is not overwritten")
    known = msgspec.structs.replace(entrance(file), login=login, key="")
    made = new_key(
        known, out.stem[:100], scopes=scopes,
        password_file=password_file, new_password_file=new_password_file,
    )  # fmt: skip
    write_secret(out, f"{made}\n".encode())
    print(f"{out}: a key of {login}, for the eyes of its owner alone")
