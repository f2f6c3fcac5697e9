"""What has to hold of a service's history after any fault: what was answered is there, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.fleet import STREET, Fleet, Trader
from wattbay.adapters.mqtt import readings
from wattbay.core.commands import PlaceOrder, SubmitReading
from wattbay.core.events import OrderPlaced, ReadingAccepted, Rejected
from wattbay.kernel.codec import Entry, decode
from wattbay.kernel.evidence import ReadingStore
from wattbay.kernel.journal import Journal
from wattbay.kernel.replay import verify
from wattbay.periods import DAY, Instant, Period
from wattbay.views.meters import MeterKeys


def check_history(journal: Journal, fleet: Fleet, traders: Sequence[Trader]) -> None:
    """Verify a journal, and that in it is what was answered, once."""
    keys = MeterKeys()

    def check(command: SubmitReading) -> None:
        key = keys.key_of(command.meter)
        assert key is not None
        readings.check(command, STREET, key)

    assert verify(journal, check_reading=check, readers=[keys]).readings > 0
    entries = [decode(data, seq=seq) for seq, data, _ in journal.rows()]
    _check_orders(entries, traders)
    told = Counter(
        (one.command.meter, one.command.boot, one.command.seq)
        for one in entries
        if isinstance(one.command, SubmitReading)
    )
    assert set(told.values()) == {1}
    for meter in fleet.meters:
        known = {
            event.boundary: event
            for one in entries
            for event in one.events
            if isinstance(event, ReadingAccepted) and event.meter == meter.member.device
        }
        # What a broker lost is sent again: another reading may tell of the boundary by then.
        assert set(fleet.boundaries) <= set(known)
        for event in known.values():
            assert event.import_register == meter.registers[event.measured_at]


def _check_orders(entries: list[Entry], traders: Sequence[Trader]) -> None:
    requests = Counter(
        (one.command.pod, one.command.request)
        for one in entries
        if isinstance(one.command, PlaceOrder) and one.command.request
    )
    assert set(requests.values()) == {1}
    for trader in traders:
        for request, outcomes in trader.outcomes.items():
            assert len(outcomes) == 1, (request, outcomes)
            (outcome,) = outcomes
            entry = entries[outcome.entry - 1]
            assert isinstance(entry.command, PlaceOrder)
            assert (entry.command.pod, entry.command.request) == (trader.member.pod, request)
            match entry.events[0]:
                case OrderPlaced(order=order):
                    assert order == outcome.order
                case Rejected():
                    assert outcome.order is None
                case other:
                    raise AssertionError(other)


def check_readings(store: ReadingStore, fleet: Fleet) -> None:
    """Make sure that every reading is stored once, as it was signed."""
    for meter in fleet.meters:
        device, key = meter.member.device, meter.member.signer.public_key
        span = Period(Instant(fleet.first - DAY), Instant(fleet.at + DAY))
        found = Counter[int]()
        for reading in store.of_device(STREET, device, span):
            topic = f"em/v1/street/{device}/data"
            assert readings.read(reading.proof, topic, {device: key}.get) == reading
            found[reading.seq] += 1
        assert found == Counter(range(1, len(meter.registers) + 1))
    assert list(store.alarms(STREET)) == []
