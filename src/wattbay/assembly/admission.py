"""How a device's request to be known is checked: its form, and the proof that it holds its key."""

from __future__ import annotations

from wattbay.adapters.api.node import Admission
from wattbay.adapters.mqtt import enrolment


async def admit(document: bytes) -> Admission:
    """Return the device that a request is about, once its proof is checked.

    Raises
    ------
    WireError
        If its form or proof is wrong.
    """
    asked = enrolment.decode(document)
    return Admission(
        device=asked.device,
        kind=asked.kind.value,
        algorithm=asked.algorithm.value,
        public_key=bytes.fromhex(asked.public_key),
        unit_wh=asked.unit_wh,
    )
