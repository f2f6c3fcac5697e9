"""How a device's request to be known is checked: its form, its proof, its challenge."""

from __future__ import annotations

from wattbay.access.people import People
from wattbay.adapters.api.node import Admission
from wattbay.adapters.mqtt import enrolment
from wattbay.errors import WireError
from wattbay.ids import CommunityId
from wattbay.kernel.clock import Clock


class Admissions:
    """Checks requests of devices of one community."""

    def __init__(self, community: CommunityId, people: People, wall: Clock) -> None:
        """Know which challenges were given."""
        self._community = community
        self._people = people
        self._wall = wall

    async def check(self, document: bytes) -> Admission:
        """Return the device that a request is about.

        Raises
        ------
        WireError
            If its form or proof is wrong, it is for another community, or it does not answer a
            challenge that was given for that very device a short while ago.
        """
        asked = enrolment.decode(document)
        if asked.community != self._community:
            msg = f"wrong community: the request is for {asked.community}; this is"
            raise WireError(f"{msg} {self._community}")
        device = self._people.take_challenge(asked.challenge, self._wall.now())
        if device != asked.device:
            msg = f"wrong challenge: ask for one for {asked.device} and have the device sign it"
            raise WireError(msg)
        return Admission(
            device=asked.device,
            kind=asked.kind.value,
            algorithm=asked.algorithm.value,
            public_key=bytes.fromhex(asked.public_key),
            unit_wh=asked.unit_wh,
        )
