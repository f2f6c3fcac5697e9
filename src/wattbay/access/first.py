"""The first administrator, made on the first start: there is no default password."""

from __future__ import annotations

from pathlib import Path

from wattbay.access.chance import one_time_password
from wattbay.access.denial import AccessDenied
from wattbay.access.passwords import Passwords, check_strength
from wattbay.access.people import People
from wattbay.access.records import AuditEntry, Login
from wattbay.access.roles import AccessRole
from wattbay.errors import ConfigError, Fault
from wattbay.periods import Instant

ADMINISTRATOR = "admin"
PASSWORD_FILE_VARIABLE = "WATTBAY_ADMIN_PASSWORD_FILE"  # noqa: S105 - the name of a variable
"""Names a file with the first administrator's password, in place of one that is drawn."""


def first_administrator(
    people: People,
    at: Instant,
    *,
    password_file: Path | None = None,
    passwords: Passwords | None = None,
) -> str | None:
    """Make the login ``admin``, if there is no login at all.

    Returns
    -------
    str | None
        The one-time password that was drawn, for the caller to show once: it has to be changed
        at the first sign-in. None where there are logins already, or the password is the file's.

    Raises
    ------
    ConfigError
        If the file cannot be read, or its password would be guessed.
    """
    if people.has_logins():
        return None
    drawn = one_time_password() if password_file is None else None
    password = _password_in(password_file) if password_file is not None else drawn or ""
    hashed = (Passwords() if passwords is None else passwords).hash(password)
    with people.one_write():
        people.add_login(
            Login(
                login=ADMINISTRATOR, password_hash=hashed, must_change=drawn is not None,
                roles=frozenset({AccessRole.ADMINISTRATOR}), parties=frozenset(), created_at=at,
            )
        )  # fmt: skip
        people.write_audit(AuditEntry(at, "", "first_administrator", ADMINISTRATOR, "done"))
    return drawn


def _password_in(file: Path) -> str:
    """Return the first line of a file, if it is fit for a password."""
    try:
        password = file.read_text(encoding="utf-8").partition("\n")[0].strip()
        check_strength(password, ADMINISTRATOR)
    except AccessDenied as denied:
        raise ConfigError(Fault(str(file), denied.what)) from denied
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(Fault(str(file), f"cannot be read: {error}")) from error
    return password
