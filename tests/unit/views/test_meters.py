"""Which key each meter signs with."""

from tests.builders import MIDNIGHT, a_meter, an_entry, an_order, pod_facts
from wattbay.core.commands import ExchangeMeter, RegisterPod
from wattbay.core.events import MeterExchanged, PodRegistered, Rejected
from wattbay.core.reasons import Reason
from wattbay.ids import MeterId, PodId
from wattbay.kernel.codec import Entry
from wattbay.views.meters import MeterKeys

FIRST, SECOND = a_meter("m1", key=bytes(32)), a_meter("m2", key=bytes(31) + b"\1")


def test_keys_of_old_and_new_meters_are_known() -> None:
    keys = MeterKeys()
    facts = pod_facts()
    registered = PodRegistered(facts=facts, meter=FIRST)
    keys.fold(Entry(1, MIDNIGHT, RegisterPod(facts=facts, meter=FIRST), (registered,)))
    exchange = ExchangeMeter(
        pod=PodId("h01"), at=MIDNIGHT, final_import=1, final_export=1, meter=SECOND
    )
    exchanged = MeterExchanged(
        pod=PodId("h01"), at=MIDNIGHT, final_import=1, final_export=1, meter=SECOND
    )
    keys.fold(Entry(2, MIDNIGHT, exchange, (exchanged,)))
    assert keys.key_of(MeterId("m1")) == FIRST.key
    assert keys.key_of(MeterId("m2")) == SECOND.key


def test_refused_meter_has_no_key() -> None:
    keys = MeterKeys()
    refused = Rejected(reason=Reason.ALREADY_KNOWN)
    keys.fold(Entry(1, MIDNIGHT, RegisterPod(facts=pod_facts(), meter=FIRST), (refused,)))
    keys.fold(an_entry(command=an_order()))
    assert keys.key_of(MeterId("m1")) is None
