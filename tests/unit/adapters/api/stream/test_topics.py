from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api_node import a_node
from tests.listeners import somebody
from wattbay.access.identity import Identity
from wattbay.access.roles import AccessRole
from wattbay.adapters.api.stream.topics import EVERYBODY, STAFF, NotForYouError, audience, parse
from wattbay.core.exchange import State
from wattbay.errors import WireError

PUBLIC = ("market", "deliveries", "prices", "trades", "clock", "book/halfhour/2013-06-10T00:00Z")
PRIVATE = (
    "orders/h01",
    "receipts/h01",
    "statements/h01",
    "readings/h01",
    "readings/m-h01",
    "alerts/p01",
    "devices/p01",
)
FOR_STAFF = ("readings", "alerts", "devices")
ALL = (*PUBLIC, *PRIVATE, *FOR_STAFF, "grid")

MEMBERS = (AccessRole.CONSUMER, AccessRole.PROSUMER, AccessRole.AGGREGATOR)


@pytest.fixture(scope="module")
def state() -> State:
    return a_node().node.state()


def heard_as(name: str, who: Identity, state: State) -> str | None:
    try:
        return audience(parse(name), who, state)
    except NotForYouError:
        return None


@pytest.mark.parametrize("name", ALL)
def test_a_topic_is_written_as_it_is_read(name: str) -> None:
    assert parse(name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "weather", "orders", "orders/", "orders/a/b", "orders/a b", "trades/h01", "book", "book/p",
     "book/p/noon", "book/p/2013-06-10T00:00", "book/p q/2013-06-10T00:00Z", "clock/x", "grid/x",
     "book/p/9999-12-31T23:59:59.999999+00:00/x", "orders/*", "readings/..", "market" * 100,
     "book/p/0001-01-01T00:00+23:59"],
)  # fmt: skip
def test_what_is_no_topic_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        parse(name)


@given(st.text(max_size=40) | st.from_regex(r"(book|orders|market)/[a-z:0-9\-/TZ+]{0,30}"))
def test_any_text_is_a_topic_or_refused(name: str) -> None:
    try:
        topic = parse(name)
    except WireError:
        return
    assert parse(topic.name) == topic


@pytest.mark.parametrize("role", list(AccessRole))
@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_is_for_everybody_who_is_known(
    name: str, role: AccessRole, state: State
) -> None:
    assert heard_as(name, somebody(role), state) == EVERYBODY


@pytest.mark.parametrize("role", MEMBERS)
@pytest.mark.parametrize("name", PRIVATE)
def test_a_party_hears_its_own(name: str, role: AccessRole, state: State) -> None:
    assert heard_as(name, somebody(role, "p01"), state) == "p01"
    assert heard_as(name, somebody(role, "p05", "p01"), state) == "p01"


@pytest.mark.parametrize("role", [one for one in AccessRole if one is not AccessRole.ADMINISTRATOR])
@pytest.mark.parametrize("name", [*PRIVATE, *FOR_STAFF])
def test_nobody_but_who_sees_all_hears_anothers(name: str, role: AccessRole, state: State) -> None:
    assert heard_as(name, somebody(role, "p02"), state) is None
    assert heard_as(name, somebody(role), state) is None


@pytest.mark.parametrize("name", [*PRIVATE, *FOR_STAFF, "grid"])
def test_the_administrator_hears_all(name: str, state: State) -> None:
    assert heard_as(name, somebody(AccessRole.ADMINISTRATOR), state) == STAFF


@pytest.mark.parametrize("role", list(AccessRole))
def test_the_grid_is_for_those_who_read_it(role: AccessRole, state: State) -> None:
    may = role in {AccessRole.GRID_OPERATOR, AccessRole.ANALYST, AccessRole.ADMINISTRATOR}
    assert heard_as("grid", somebody(role, "p01"), state) == (STAFF if may else None)


@pytest.mark.parametrize(
    "name",
    ["orders/h99", "receipts/h99", "readings/m-h99", "alerts/p99", "devices/p99",
     "book/halfhour/2013-06-10T00:01Z", "book/nothing/2013-06-10T00:00Z"],
)  # fmt: skip
def test_what_does_not_exist_is_refused_like_what_is_anothers(name: str, state: State) -> None:
    refusals = set()
    for who, topic in (
        (somebody(AccessRole.PROSUMER, "p02"), name),
        (somebody(AccessRole.PROSUMER, "p02"), "orders/h01"),
        (somebody(AccessRole.ADMINISTRATOR), name),
    ):
        with pytest.raises(NotForYouError) as refused:
            audience(parse(topic), who, state)
        refusals.add(str(refused.value))
    assert len(refusals) == 1


def test_who_has_to_change_the_password_hears_nothing(state: State) -> None:
    roles = frozenset({AccessRole.ADMINISTRATOR})
    who = Identity("boss", frozenset(), roles, somebody().means, must_change=True)
    assert [name for name in ALL if heard_as(name, who, state) is not None] == []
