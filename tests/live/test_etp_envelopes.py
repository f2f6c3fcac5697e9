"""Batteries that hear only who proves to be who they say to be, on real sockets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.etp_peers import (
    BATTERY,
    BUYER,
    OTHER,
    Peer,
    Run,
    SealedPeer,
    a_guard,
    a_node,
    a_sealed_peer,
    links_of,
    on_both_loops,
)
from tests.servers import until_async
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.envelope import Scheme, Sealer
from wattbay.adapters.etp.frames import framed
from wattbay.adapters.etp.messages import Kind, Message, encode
from wattbay.kernel.clock import SystemClock
from wattbay.periods import SECOND

# --- envelopes ----------------------------------------------------------------------------------


def forged(frame: bytes) -> bytes:
    """Return an envelope whose price was changed on the way."""
    octets = bytearray(frame)
    octets[4 + 34 + 18] ^= 1
    return bytes(octets)


def to_another(message: Message, scheme: Scheme) -> bytes:
    """Return a message that was sealed to somebody else."""
    sealer = a_guard(BUYER, scheme).sealer
    assert sealer
    return framed(sealer.seal(encode(message), OTHER))


def old(message: Message, scheme: Scheme) -> bytes:
    """Return a message that was sealed a minute ago."""
    now = SystemClock().now
    known = a_guard(BUYER, scheme).sealer
    assert known
    sealer = Sealer(known._identity, lambda: now() - 60 * SECOND)  # noqa: SLF001 - the same key
    return framed(sealer.seal(encode(message), BATTERY))


SEALED_BID = m.bid(457, BUYER, 18, 10)
ATTACKS: dict[str, tuple[Callable[[SealedPeer, Scheme], bytes], str]] = {
    "changed": (lambda peer, _: forged(peer.envelope(SEALED_BID)), "forged"),
    "of another": (lambda peer, _: peer.envelope(SEALED_BID._replace(device_id=OTHER)), "forged"),
    "to another": (lambda _, scheme: to_another(SEALED_BID, scheme), "forged"),
    "old": (lambda _, scheme: old(SEALED_BID, scheme), "stale"),
    "plain": (lambda *_: framed(encode(SEALED_BID)), "unsigned"),
    "plain, of a stranger": (
        lambda *_: framed(encode(SEALED_BID._replace(device_id=999))), "unsigned",
    ),
}  # fmt: skip


@on_both_loops
@pytest.mark.parametrize("scheme", Scheme, ids=lambda one: one.name)
@pytest.mark.parametrize("is_mixed", [False, True], ids=["sealed", "mixed"])
@pytest.mark.parametrize(("attack", "why"), ATTACKS.values(), ids=ATTACKS)
def test_what_is_not_authentic_closes_its_link_and_changes_nothing(
    run: Run,
    scheme: Scheme,
    is_mixed: bool,
    attack: Callable[[SealedPeer, Scheme], bytes],
    why: str,
) -> None:
    async def scene() -> None:
        node = a_node(guard=a_guard(BATTERY, scheme, allows_plain=is_mixed))
        address = await node.open("127.0.0.1")
        peer = await a_sealed_peer(address, BUYER, scheme)
        other = await a_sealed_peer(address, OTHER, scheme)
        peer.say(attack(peer, scheme), SEALED_BID)
        assert await peer.is_let_go()
        assert node.counts[why] == 1
        assert node.seller.counts["bids"] == 0
        assert (await other.asked(m.query(1, OTHER))).energy_total == 80
        await node.close()

    run(scene())


@on_both_loops
@pytest.mark.parametrize("on_the_same", [True, False], ids=["same link", "new link"])
def test_repeated_envelope_is_not_heard_twice(run: Run, on_the_same: bool) -> None:
    async def scene() -> None:
        node = a_node(guard=a_guard(BATTERY))
        address = await node.open("127.0.0.1")
        peer, other = await a_sealed_peer(address), await a_sealed_peer(address, OTHER)
        register, bid = peer.envelope(m.register(2, BUYER)), peer.envelope(SEALED_BID)
        peer.say(register, bid)
        kinds = {(await peer.hear()).message_type for _ in range(2)}
        assert kinds == {Kind.REGISTER, Kind.BID_ACCEPT}
        thief = peer if on_the_same else await Peer.at(address)
        thief.say(register, bid)
        assert await thief.is_let_go()
        assert node.counts["replayed"] == 1
        assert node.seller.counts["bids"] == 1
        assert node.seller.counts["repeated"] == 0
        assert (await other.asked(m.query(1, OTHER))).message_id == 1
        await node.close()

    run(scene())


@on_both_loops
def test_newer_link_of_a_device_that_proves_itself_takes_the_place_of_the_older(run: Run) -> None:
    async def scene() -> None:
        node = a_node(guard=a_guard(BATTERY))
        address = await node.open("127.0.0.1")
        first = await a_sealed_peer(address)
        again = await a_sealed_peer(address)
        assert await first.is_let_go()
        assert node.counts["replaced"] == 1
        assert (await again.asked(SEALED_BID)).message_type == Kind.BID_ACCEPT
        assert list(node.linked) == [BUYER]
        await node.close()

    run(scene())


@on_both_loops
def test_reconnecting_over_and_over_leaves_one_link(run: Run) -> None:
    async def scene() -> None:
        node = a_node(guard=a_guard(BATTERY))
        address = await node.open("127.0.0.1")
        for _ in range(50):
            peer = await a_sealed_peer(address)
        await until_async(lambda: len(links_of(node)) == 1, "the others are gone")
        assert (await peer.asked(m.query(1, BUYER))).message_id == 1
        await node.close()

    run(scene())


@on_both_loops
def test_nothing_is_told_to_who_has_not_said_anything(run: Run) -> None:
    """A plain message would end a link that is about to begin in envelopes."""

    async def scene() -> None:
        node = a_node(guard=a_guard(BATTERY))
        address = await node.open("127.0.0.1")
        peer = await SealedPeer.at(address)
        peer.seal_as(a_guard(BUYER))
        await until_async(lambda: links_of(node), "the link stands")
        node.tell_status()
        assert (await peer.asked(m.register(1, BUYER))).message_type == Kind.REGISTER
        node.tell_status()
        assert (await peer.hear()).message_type == Kind.BESS_STATUS
        await node.close()

    run(scene())
