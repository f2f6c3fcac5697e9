"""A market file and the exchange come to the same trades, whatever waits for what."""

from __future__ import annotations

import json
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.builders import EVE, MIDNIGHT, a_party, a_product, a_town, an_order
from tests.play import Play
from wattbay.adapters.market_file import TradingResult, clear_document
from wattbay.core import commands as c
from wattbay.core.facts import LimitTerm, Mechanism, NetworkLimit, Role, Side
from wattbay.core.terms import Condition, ConditionKind, GridBalance, OrderTerms, TimeInForce
from wattbay.ids import OrderId, PartyId, PodId, SignalId
from wattbay.periods import Instant

DSO, SUN = PartyId("dso"), SignalId("sun")
PODS = ["h01", "h02", "h03"]
STEPS = 40
Step = dict[str, object]


def an_order_step(chance: Random, number: int, now: int) -> Step:
    """Return a step that places an order that may wait."""
    step: Step = {
        "op": "new",
        "id": number,
        "party": chance.choice(PODS),
        "side": chance.choice(["buy", "sell"]),
        "limit": chance.randint(1, 4) * 10,
        "quantity": chance.randint(1, 6),
    }
    if chance.random() < 0.3:
        step["condition"] = {
            "on": "sun",
            chance.choice(["at_least", "at_most"]): chance.randint(0, 3),
        }
    elif chance.random() < 0.2:
        step["valid_from"] = now + chance.randint(0, 4)
    if chance.random() < 0.35 and "valid_from" not in step:
        step["grid"] = chance.choice(["keeps", "relieves"])
    if chance.random() < 0.25:
        begins = step.get("valid_from", now)
        assert isinstance(begins, int)
        step |= {"time_in_force": "GTD", "expires": begins + chance.randint(1, 8)}
    elif chance.random() < 0.15:
        step["time_in_force"] = chance.choice(["IOC", "FOK"])
    elif chance.random() < 0.2:
        step["peak"] = 2
    elif chance.random() < 0.2:
        step["min_quantity"] = 1
    return step


def a_document(seed: int) -> list[Step]:
    """Return the steps of a market file."""
    chance = Random(seed)
    steps: list[Step] = []
    now, number = 0, 0
    for _ in range(STEPS):
        other = chance.randint(1, max(1, number))
        match chance.choices(range(6), weights=[55, 12, 8, 6, 9, 10])[0]:
            case 0:
                number += 1
                steps.append(an_order_step(chance, number, now))
            case 1:
                steps.append({"op": "signal", "name": "sun", "value": chance.randint(0, 3)})
            case 2:
                steps.append(
                    {"op": "limit", "parties": {chance.choice(PODS): chance.choice([-1, 1])}}
                )
            case 3:
                steps.append({"op": "cancel", "id": other, "party": chance.choice(PODS)})
            case 4:
                limit, quantity = chance.randint(1, 4) * 10, chance.randint(1, 8)
                party = chance.choice(PODS)
                steps.append(
                    {"op": "amend", "id": other, "party": party, "limit": limit}
                    | {"quantity": quantity}
                )
            case _:
                now += chance.randint(1, 3)
                steps.append({"op": "time", "at": now})
    return steps


def at(moment: object) -> Instant | None:
    return Instant(EVE + moment) if isinstance(moment, int) else None


def as_order(step: Step) -> c.PlaceOrder:
    """Return the command that says what a step of a market file says."""
    condition = None
    wanted = step.get("condition")
    if isinstance(wanted, dict):
        is_at_least = "at_least" in wanted
        condition = Condition(
            kind=ConditionKind.SIGNAL,
            is_at_least=is_at_least,
            level=wanted["at_least" if is_at_least else "at_most"],
            signal=SUN,
        )
    grid = step.get("grid")
    least, peak = step.get("min_quantity", 0), step.get("peak")
    said = OrderTerms(
        time_in_force=TimeInForce(str(step.get("time_in_force", "GTC"))),
        valid_from=at(step.get("valid_from")),
        expires=at(step.get("expires")),
        condition=condition,
        grid=None if grid is None else GridBalance(str(grid)),
        min_quantity_wh=least if isinstance(least, int) else 0,
        peak_wh=peak if isinstance(peak, int) else None,
    )
    quantity, limit = step["quantity"], step["limit"]
    assert isinstance(quantity, int)
    assert isinstance(limit, int)
    plain = an_order(
        str(step["party"]), side=Side(str(step["side"])), quantity_wh=quantity, limit=limit
    )
    return structs.replace(plain, terms=said)


def in_the_exchange(steps: list[Step]) -> list[tuple[object, ...]]:
    """Return maker, taker, price and quantity of each trade in the exchange."""
    product = structs.replace(a_product(), mechanism=Mechanism.CONTINUOUS)
    product = structs.replace(product, orders_per_pod_max=1_000)
    street = Play(a_town(3, product=product, deliveries=1))
    street.do(c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,))))
    for step in steps:
        number, pod = OrderId(int(str(step.get("id", 0)))), PodId(str(step.get("party")))
        match step["op"]:
            case "new":
                street.do(as_order(step))
            case "signal":
                value = int(str(step["value"]))
                street.do(c.GiveSignal(party=DSO, signal=SUN, value=value))
            case "limit":
                parties = step["parties"]
                assert isinstance(parties, dict)
                ((name, coefficient),) = parties.items()
                term = LimitTerm(pod=PodId(name), coefficient=coefficient)
                limit = NetworkLimit(
                    since=MIDNIGHT,
                    until=Instant(MIDNIGHT + 1),
                    terms=(term,),
                    bound_wh=0,
                    reason="N4",
                )
                street.do(c.SubmitLimit(operator=DSO, limit=limit))
            case "cancel":
                street.submit(c.CancelOrder(order=number, pod=pod))
            case "amend":
                street.submit(
                    c.AmendOrder(
                        order=number,
                        pod=pod,
                        quantity_wh=int(str(step["quantity"])),
                        limit=int(str(step["limit"])),
                    )
                )
            case _:
                street.until(EVE + int(str(step["at"])))
        street.until(street.at)
    return [
        (
            one.maker,
            one.sell_order if one.maker == one.buy_order else one.buy_order,
            str(one.sell_price),
            str(one.quantity_wh),
        )
        for one in street.trades()
    ]


@settings(max_examples=150)
@example(seed=979)
@example(seed=1546)
@example(seed=2885)
@given(seed=st.integers(0, 2**32))
def test_market_file_trades_as_the_exchange_does(seed: int) -> None:
    steps = a_document(seed)
    result = clear_document(json.dumps({"mechanism": "continuous", "steps": steps}))
    assert isinstance(result, TradingResult)
    found = [(one.maker, one.taker, one.price, one.quantity) for one in result.trades]
    assert found == in_the_exchange(steps)
