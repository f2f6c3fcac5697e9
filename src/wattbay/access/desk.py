"""The desk: what administrators do to the logins of others. Each act is in the audit log."""

from __future__ import annotations

from wattbay.access.chance import one_time_password
from wattbay.access.door import Door
from wattbay.access.identity import Identity
from wattbay.access.people import People
from wattbay.access.records import Login, Particulars, PeopleError
from wattbay.access.roles import AccessRole, Permission
from wattbay.ids import PartyId, is_id


class Desk:
    """Makes, changes and ends logins, for those who may.

    Every method raises `AccessDenied` where `by` may not, and `PeopleError` where there is no such
    login or the last administrator would be gone.
    """

    def __init__(self, door: Door) -> None:
        """Work behind a door."""
        self._door = door
        self._people: People = door.people

    async def add_login(
        self,
        by: Identity,
        login: str,
        roles: frozenset[AccessRole],
        parties: frozenset[PartyId] = frozenset(),
        *,
        with_password: bool = True,
        request_id: str = "",
    ) -> str | None:
        """Make a login; return its one-time password, or None where it is to have none.

        A login is a pseudonym like a party's: letters, digits, ``_`` and ``-``; nobody's name.
        """
        self._require(by, login, request_id)
        if not is_id(login):
            raise PeopleError("a login has 1 to 64 letters, digits, _ or -")
        clear = one_time_password() if with_password else None
        hashed = None
        if clear is not None:
            hashed = await self._door.hash(clear)
        at = self._door.clock.now()
        with self._people.one_write():
            self._people.add_login(
                Login(
                    login=login, password_hash=hashed, roles=roles, parties=parties,
                    created_at=at, must_change=clear is not None,
                    # Not from 0: tokens of somebody who bore the name before are not good again.
                    generation=at,
                )
            )  # fmt: skip
            told = " ".join([*sorted(roles), *sorted(parties)])
            self._write("add_login", by, login, told, request_id)
        return clear

    async def reset_password(self, by: Identity, login: str, *, request_id: str = "") -> str:
        """Give a login a one-time password, which is returned; its sessions and tokens end."""
        self._require(by, login, request_id)
        clear = one_time_password()
        hashed = await self._door.hash(clear)
        with self._people.one_write():
            self._people.change_login(login, password_hash=hashed, must_change=True)
            self._door.forgive(login)
            self._people.end_sessions(login)
            self._write("reset_password", by, login, "", request_id)
        return clear

    def change_roles(
        self, by: Identity, login: str, roles: frozenset[AccessRole], *, request_id: str = ""
    ) -> Login:
        """Let other roles hold from now on; tokens that were issued before are over."""
        self._require(by, login, request_id)
        with self._people.one_write():
            changed = self._people.change_login(login, roles=roles)
            self._keep_an_administrator()
            self._write("change_roles", by, login, " ".join(sorted(roles)), request_id)
        return changed

    def change_parties(
        self, by: Identity, login: str, parties: frozenset[PartyId], *, request_id: str = ""
    ) -> Login:
        """Let a login stand for other parties from now on."""
        self._require(by, login, request_id)
        with self._people.one_write():
            changed = self._people.change_login(login, parties=parties)
            self._write("change_parties", by, login, " ".join(sorted(parties)), request_id)
        return changed

    def disable(self, by: Identity, login: str, *, request_id: str = "") -> None:
        """Let a login in no more, whatever it shows, until it is enabled."""
        self._require(by, login, request_id)
        with self._people.one_write():
            self._people.change_login(login, is_disabled=True)
            self._keep_an_administrator()
            self._people.end_sessions(login)
            self._write("disable", by, login, "", request_id)

    def enable(self, by: Identity, login: str, *, request_id: str = "") -> None:
        """Let a login in again: by its password and its keys, not by old sessions or tokens."""
        self._require(by, login, request_id)
        with self._people.one_write():
            self._people.change_login(login, is_disabled=False)
            self._write("enable", by, login, "", request_id)

    def remove_login(self, by: Identity, login: str, *, request_id: str = "") -> None:
        """Take a login away for good, with its password, keys, sessions and answers."""
        self._require(by, login, request_id)
        with self._people.one_write():
            if not self._people.remove_login(login):
                raise PeopleError(f"there is no login {login}")
            self._keep_an_administrator()
            self._write("remove_login", by, login, "", request_id)

    def set_particulars(
        self, by: Identity, party: PartyId, particulars: Particulars, *, request_id: str = ""
    ) -> None:
        """Keep name, address and so on of a party; the log tells which are kept, not what."""
        is_own = by.owns(party) and by.may(Permission.READ_OWN) and by.scopes is None
        if not is_own:
            self._door.require(by, Permission.MANAGE_MEMBERS, subject=party, request_id=request_id)
        with self._people.one_write():
            self._people.set_particulars(party, particulars)
            self._write("set_particulars", by, party, " ".join(sorted(particulars)), request_id)

    def erase(self, by: Identity, party: PartyId, *, request_id: str = "") -> bool:
        """Erase the particulars of a party without a trace; tell whether there were any.

        The one act here that belongs in a thread: files are written anew, which may take a second
        where the audit log is long.
        """
        self._require(by, party, request_id)
        with self._people.one_write():
            gone = self._people.erase(party)
            self._write("erase", by, party, "" if gone else "there was nothing", request_id)
        return gone

    def _require(self, by: Identity, subject: str, request_id: str) -> None:
        self._door.require(by, Permission.MANAGE_LOGINS, subject=subject, request_id=request_id)

    def _keep_an_administrator(self) -> None:
        if not self._people.administrators():
            raise PeopleError("there has to be an administrator that is not disabled")

    def _write(self, act: str, by: Identity, subject: str, detail: str, request_id: str) -> None:
        self._door.write(act, by.login, subject=subject, detail=detail, request_id=request_id)
