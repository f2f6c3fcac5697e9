"""What flows behind the meters of a fleet: batteries give what they sold, and charge; buyers draw.

A simulated plant at the ends of real wires: its meters sign real bytes, and the real decoder reads
them. Energy flows by the exchange's clock; nothing of the exchange knows that it is made up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.desk import Delivery, Member
from wattbay.adapters.mqtt import readings
from wattbay.core.commands import SubmitReading
from wattbay.periods import Instant
from wattbay.simulation.etp_fleet import Fleet
from wattbay.simulation.meters import Meters
from wattbay.units import PPM
from wattbay.views.sales import Sale

FULL_SHARE = 0.95
"""A battery charges up to so much of its capacity."""


class _Flow(NamedTuple):
    """A steady flow through the meter of a member."""

    start: Instant
    end: Instant
    energy_wh: float

    def between(self, start: Instant, end: Instant) -> float:
        """Return what of it flows in a span. [Wh]"""
        overlap = min(end, self.end) - max(start, self.start)
        return self.energy_wh * overlap / (self.end - self.start) if overlap > 0 else 0.0


class Known(NamedTuple):
    """What is known of a meter."""

    import_wh: int
    export_wh: int
    """Through it since it was put in. [Wh]"""
    boot: int
    """How often it was started, as its last reading said."""
    at: Instant
    """Until when this is so."""


class Charged(NamedTuple):
    """What a battery took in since it was told last."""

    bess: Bess
    added_wh: float


class Plant:
    """Everything behind the meters of a fleet."""

    def __init__(self, fleet: Fleet, at: Instant) -> None:
        """Begin at an instant, with nothing flowing."""
        self._fleet = fleet
        self._members: list[Member] = fleet.members
        pods = [member.pod for member in self._members]
        self._meters = Meters(fleet.community, fleet.seed, pods, fleet.meters())
        self._keys = {meter.meter: meter.key for meter in fleet.meters()}
        self._place = {member.device: place for place, member in enumerate(self._members)}
        self._delivers = {one.member.device: one.delivers_ppm / PPM for one in fleet.batteries}
        self._flows: list[deque[_Flow]] = [deque() for _ in self._members]
        self._added_wh = [0.0] * len(fleet.batteries)
        self._told_at = [at] * len(self._members)
        """Until when each meter told, before a restart."""
        self.at = at
        """Until when energy has flowed."""

    def take_up(self, known: Sequence[Known], sales: Iterable[Sale]) -> None:
        """Go on after a restart, from what the meters told last.

        Parameters
        ----------
        known
            Of each member's meter.
        sales
            What batteries were giving then, or were to give.
        """
        self._meters.add(
            np.array([one.import_wh for one in known], np.float64),
            np.array([one.export_wh for one in known], np.float64),
        )
        for place, one in enumerate(known):
            self._meters.restart(place, one.boot)
        self._told_at = [one.at for one in known]
        places = {member.pod: place for place, member in enumerate(self._members)}
        for sale in sales:
            for pod in (sale.seller, sale.buyer):
                # Who is no member any more has no meter here.
                if (at := places.get(pod)) is not None:
                    self._resume(at, sale, known[at].at, is_given=pod == sale.seller)

    def _resume(self, place: int, sale: Sale, since: Instant, *, is_given: bool) -> None:
        """Let flow on through a meter what it has not told of: another may have told already."""
        share = self._delivers.get(self._members[place].device, 1.0) if is_given else 1.0
        for part in sale.parts:
            end = Instant(part.delivery + self._fleet.isp_us)
            if end > since:
                self._flows[place].append(_Flow(part.delivery, end, part.quantity_wh * share))

    def deliver(self, sale: Delivery) -> None:
        """Let a battery give what it sold, and its buyer draw as much."""
        share = self._delivers.get(sale.bess, 1.0)
        given = _Flow(sale.start, sale.end, sale.energy_wh * share)
        self._flows[self._place[sale.bess]].append(given)
        drawn = _Flow(sale.start, sale.end, float(sale.energy_wh))
        self._flows[self._place[sale.bidder]].append(drawn)

    def advance(self, to: Instant) -> None:
        """Let energy flow until an instant; a battery that gives nothing charges."""
        start = self.at
        if to <= start:
            return
        count = len(self._members)
        import_wh, export_wh = np.zeros(count), np.zeros(count)
        for place, flows in enumerate(self._flows):
            energy_wh = sum(flow.between(start, to) for flow in flows)
            while flows and flows[0].end <= to:
                flows.popleft()
            if place < len(self._fleet.batteries):
                export_wh[place] = energy_wh
                if not energy_wh and not flows and to > self._told_at[place]:
                    import_wh[place] = self._charge(place, to - start)
            else:
                import_wh[place] = energy_wh
        self._meters.add(import_wh, export_wh)
        self.at = to

    def _charge(self, place: int, length_us: int) -> float:
        """Charge a battery for some time; return what it draws. [Wh]"""
        bess = self._fleet.batteries[place].bess
        room_wh = FULL_SHARE * bess.capacity_wh - bess.level_wh
        if room_wh <= 0 or not bess.is_online:
            return 0.0
        efficiency = self._fleet.efficiency_ppm / PPM
        seconds = length_us / 1_000_000
        added = bess.recharge(min(seconds, room_wh * 3_600 / bess.discharge_w), bess.discharge_w)
        self._added_wh[place] += added
        # What is lost on the way in and out is drawn besides, once.
        return added / efficiency

    def charged(self) -> list[Charged]:
        """Return what each battery took in since this was last called."""
        found = [
            Charged(one.bess, added_wh)
            for one, added_wh in zip(self._fleet.batteries, self._added_wh, strict=True)
            if added_wh
        ]
        self._added_wh = [0.0] * len(self._fleet.batteries)
        return found

    def readings(self, at: Instant) -> list[SubmitReading]:
        """Return what every meter tells at an instant, signed, and read again by the decoder.

        One that told of it before a restart does not tell again.

        Raises
        ------
        WireError
            If a meter writes what the decoder does not read.
        """
        return [
            readings.decode(one.payload, one.topic, self._keys.get)
            for one, told_at in zip(self._meters.publish(at), self._told_at, strict=True)
            if at > told_at
        ]
