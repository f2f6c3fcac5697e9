"""Simulated meters: rising registers behind each pod, and the signed bytes that they publish.

A register is the rounded cumulative energy since the meter was put in, so rounding never
accumulates; it has a width, at which it begins again at zero. All meters of a town are columns of
arrays: a period of ten thousand homes is a handful of additions, and what remains is signing.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from nacl.bindings import crypto_sign_seed_keypair
from numpy.typing import NDArray

from wattbay.adapters.mqtt import readings
from wattbay.core.commands import ExchangeMeter
from wattbay.core.facts import Meter
from wattbay.ids import CommunityId, MeterId, PodId
from wattbay.periods import Instant

DIGITS = 9
"""Width of a register; as of a meter that shows a million kWh with three decimals."""
UNIT_WH = 1
"""Energy of one register unit. [Wh]"""
NEAR_END_WH = 2_000
"""One meter in eight is put in so near the end of its registers that they roll over soon. [Wh]"""


class Publication(NamedTuple):
    """What one meter publishes at one instant."""

    pod: PodId
    meter: MeterId
    boot: int
    seq: int
    topic: str
    payload: bytes


def meter_key(seed: int, meter: MeterId) -> tuple[bytes, bytes]:
    """Return the Ed25519 keys of a simulated meter: public [32 bytes] and signing [64 bytes].

    Derived from the scenario's seed and the meter alone, by BLAKE2b. Keys of real meters never are.
    """
    public, signing = crypto_sign_seed_keypair(meter_seed(seed, meter))
    return public, signing


def meter_seed(seed: int, meter: MeterId) -> bytes:
    """Return the 32 bytes from which the keys of a simulated meter are derived."""
    return _digest(seed, meter, b"key")


def new_meter(seed: int, meter: MeterId) -> Meter:
    """Return a meter as it is put in: its public key, and registers drawn by the seed."""
    digest = _digest(seed, meter, b"registers")
    near_end = digest[0] % 8 == 0
    start = 10**DIGITS - NEAR_END_WH if near_end else 0
    span = NEAR_END_WH if near_end else 10**DIGITS // 10
    return Meter(
        meter=meter,
        key=meter_key(seed, meter)[0],
        import_register=start + int.from_bytes(digest[1:9], "big") % span,
        export_register=start + int.from_bytes(digest[9:17], "big") % span,
        digits=DIGITS,
        unit_wh=UNIT_WH,
    )


def _digest(seed: int, meter: MeterId, purpose: bytes) -> bytes:
    """Return 32 bytes that seed, meter and purpose determine."""
    return blake2b(f"{seed}/{meter}".encode(), digest_size=32, person=purpose).digest()


class Meters:
    """The meters of all pods of a community, one a pod at a time."""

    __slots__ = (
        "_boot",
        "_community",
        "_digits",
        "_export_initial",
        "_export_wh",
        "_import_initial",
        "_import_wh",
        "_names",
        "_pods",
        "_seq",
        "_signing",
        "_topics",
        "_unit_wh",
    )

    def __init__(
        self, community: CommunityId, seed: int, pods: Sequence[PodId], meters: Sequence[Meter]
    ) -> None:
        """Put in a meter for each pod, with the keys that `meter_key` derives from the seed."""
        self._community = community
        self._pods = list(pods)
        self._names = [meter.meter for meter in meters]
        self._topics = [readings.topic(community, name) for name in self._names]
        self._signing = [meter_key(seed, name)[1] for name in self._names]
        self._boot = [1] * len(meters)
        self._seq = [0] * len(meters)
        self._import_wh = np.zeros(len(meters))
        self._export_wh = np.zeros(len(meters))
        self._import_initial = np.array([meter.import_register for meter in meters], np.int64)
        self._export_initial = np.array([meter.export_register for meter in meters], np.int64)
        self._digits = np.array([10**meter.digits for meter in meters], np.int64)
        self._unit_wh = np.array([meter.unit_wh for meter in meters], np.int64)

    def add(self, import_wh: NDArray[np.float64], export_wh: NDArray[np.float64]) -> None:
        """Let energy flow through the meters.

        Parameters
        ----------
        import_wh, export_wh
            What each pod drew and injected; not negative. Shape (n_pods,). [Wh]
        """
        self._import_wh += import_wh
        self._export_wh += export_wh

    def registers(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return what the meters show, import and export. Shape (n_pods,). [register units]"""
        return (
            (self._import_initial + _rounded(self._import_wh / self._unit_wh)) % self._digits,
            (self._export_initial + _rounded(self._export_wh / self._unit_wh)) % self._digits,
        )

    def publish(self, at: Instant) -> list[Publication]:
        """Return what each meter publishes at an instant, signed, in order of pods."""
        import_registers, export_registers = self.registers()
        found: list[Publication] = []
        for place, (import_register, export_register) in enumerate(
            zip(import_registers.tolist(), export_registers.tolist(), strict=True)
        ):
            self._seq[place] += 1
            name, boot, seq = self._names[place], self._boot[place], self._seq[place]
            payload = readings.encode(
                community=self._community,
                meter=name,
                boot=boot,
                seq=seq,
                measured_at=at,
                import_register=import_register,
                export_register=export_register,
                signing_key=self._signing[place],
            )
            found.append(
                Publication(self._pods[place], name, boot, seq, self._topics[place], payload)
            )
        return found

    def restart(self, place: int, starts: int = 1) -> None:
        """Let the power of one meter fail: it counts a start more (or several), readings anew."""
        self._boot[place] += starts
        self._seq[place] = 0

    def replace(self, place: int, seed: int, meter: Meter, at: Instant) -> ExchangeMeter:
        """Put in another meter at a pod, and return what the fitter tells the exchange."""
        import_registers, export_registers = self.registers()
        command = ExchangeMeter(
            pod=self._pods[place],
            at=at,
            final_import=int(import_registers[place]),
            final_export=int(export_registers[place]),
            meter=meter,
        )
        self._names[place] = meter.meter
        self._topics[place] = readings.topic(self._community, meter.meter)
        self._signing[place] = meter_key(seed, meter.meter)[1]
        self._boot[place] = 1
        self._seq[place] = 0
        self._import_wh[place] = self._export_wh[place] = 0.0
        self._import_initial[place] = meter.import_register
        self._export_initial[place] = meter.export_register
        self._digits[place] = 10**meter.digits
        self._unit_wh[place] = meter.unit_wh
        return command


def _rounded(energy: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole register units, halves to even."""
    return np.rint(energy).astype(np.int64)
