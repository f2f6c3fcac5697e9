"""What became of what a device was told, over REST."""

from __future__ import annotations

from tests.api_node import a_node
from tests.builders import EVE, MIDNIGHT, a_meter, pod_facts
from wattbay.adapters.api.node import ToldCommand
from wattbay.core.commands import RegisterPod
from wattbay.ids import MeterId
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, Instant

PATH = "/api/v1/devices/m-h01/commands"
M01 = MeterId("m-h01")


def told(
    number: int, *, sent_at: int = EVE, after_s: int | None = 2, refused: str = ""
) -> ToldCommand:
    answered_at = None if after_s is None else Instant(sent_at + after_s * SECOND)
    expires_at = Instant(sent_at + HOUR)
    return ToldCommand(number, "set_point", Instant(sent_at), expires_at, answered_at, refused)


def test_commands_of_a_device_are_told_newest_first_with_their_answers() -> None:
    bench = a_node()
    bench.wire.answered[M01] = [
        told(1), told(2, refused="too hot"), told(3, sent_at=EVE + MINUTE, after_s=None),
    ]  # fmt: skip
    answer = bench.call("p01", "GET", PATH)
    assert answer.status_code == 200, answer.text
    assert answer.json()[0] == {
        "number": 3,
        "what": "set_point",
        "sent_at": "2013-06-09T00:01Z",
        "expires_at": "2013-06-09T01:01Z",
        "answered_at": None,
        "refused": None,
    }
    found = [(one["number"], one["answered_at"], one["refused"]) for one in answer.json()[1:]]
    assert found == [(2, "2013-06-09T00:00:02Z", "too hot"), (1, "2013-06-09T00:00:02Z", None)]


def test_device_that_was_told_nothing_has_no_commands() -> None:
    assert a_node().call("p01", "GET", PATH).json() == []


def test_device_that_is_anothers_or_not_there_is_not_found() -> None:
    bench = a_node()
    bench.wire.answered[M01] = [told(1)]
    assert bench.call("p02", "GET", PATH).status_code == 404
    assert bench.call("p01", "GET", PATH.replace("m-h01", "ghost")).status_code == 404


def test_who_moves_in_does_not_see_what_a_device_was_told_before() -> None:
    bench = a_node()
    move = {"party": "p02", "since": "2013-07-03T00:00Z"}
    assert bench.call("boss", "POST", "/api/v1/pods/h01/move", move).status_code == 200
    bench.wire.answered[M01] = [told(1), told(2, sent_at=MIDNIGHT + 24 * DAY)]
    bench.advance(MIDNIGHT + 24 * DAY)
    assert [one["number"] for one in bench.call("p02", "GET", PATH).json()] == [2]
    assert bench.call("p01", "GET", PATH).status_code == 404
    assert [one["number"] for one in bench.call("boss", "GET", PATH).json()] == [2, 1]


def test_who_joins_later_sees_what_the_device_was_told_before() -> None:
    bench = a_node()
    bench.submit(
        RegisterPod(
            facts=pod_facts("h07", party="p01", since=MIDNIGHT + DAY), meter=a_meter("m-h07")
        )
    )
    bench.wire.answered[MeterId("m-h07")] = [told(1)]
    found = bench.call("p01", "GET", PATH.replace("h01", "h07"))
    assert [one["number"] for one in found.json()] == [1]
