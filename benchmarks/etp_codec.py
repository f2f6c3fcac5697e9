"""What messages of the Energy Trading Protocol cost: written, read and checked, sealed, opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.machine import cpu_s
from wattbay.adapters.etp.envelope import Identity, Opener, Scheme, Sealer, key_of
from wattbay.adapters.etp.frames import Frames, framed
from wattbay.adapters.etp.messages import bid, decode, encode
from wattbay.periods import instant

MESSAGES = 1_000
ATTEMPTS = 20
BUYER, BATTERY = 201, 101
NOON = instant("2026-05-01T12:00Z")
MILLI, MICRO = 1e3, 1e6


def best_s(work: Callable[[], object]) -> float:
    """Return the CPU time of some work, the best of twenty. [s]"""
    return min(cpu_s(work)[0] for _ in range(ATTEMPTS))


def codec_ms() -> tuple[float, float]:
    """Return what a thousand bids cost, written, and read and checked. [CPU ms]"""
    bids = [bid(number, BUYER, 15 + number / 100, 10) for number in range(MESSAGES)]
    written = [encode(one) for one in bids]
    if [decode(one) for one in written] != bids:
        raise RuntimeError("what was written was not read")
    encoded_s = best_s(lambda: [encode(one) for one in bids])
    decoded_s = best_s(lambda: [decode(one) for one in written])
    return MILLI * encoded_s, MILLI * decoded_s


def frames_ms() -> float:
    """Return what it costs to cut a stream of a thousand into frames. [CPU ms]"""
    stream = framed(encode(bid(1, BUYER, 15, 10))) * MESSAGES
    return MILLI * best_s(lambda: list(Frames().feed(stream)))


def envelope_us(scheme: Scheme) -> tuple[float, float]:
    """Return what an envelope costs, sealed, and opened. [CPU µs]"""
    identity = Identity(BUYER, scheme, bytes(range(32)))
    sealer, keys = Sealer(identity, lambda: NOON), {BUYER: key_of(identity)}
    plain = encode(bid(1, BUYER, 15, 10))
    sealed = [sealer.seal(plain, BATTERY) for _ in range(MESSAGES)]

    def open_all() -> None:
        opener = Opener(BATTERY, keys, lambda: NOON)
        for one in sealed:
            opener.open(one)

    sealed_s = best_s(lambda: [sealer.seal(plain, BATTERY) for _ in range(MESSAGES)])
    return MICRO * sealed_s / MESSAGES, MICRO * best_s(open_all) / MESSAGES


def envelope_costs() -> Iterator[tuple[str, float]]:
    """Yield what envelopes cost, by scheme. [CPU µs]"""
    for scheme, name in ((Scheme.HMAC, "HMAC"), (Scheme.ED25519, "Ed25519")):
        for what, cost_us in zip(("seal", "open"), envelope_us(scheme), strict=True):
            yield f"{what} an envelope, {name}", cost_us
