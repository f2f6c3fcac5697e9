"""What the proof of a sale shows to a stranger, who has the journal and nothing else."""

from __future__ import annotations

from wattbay.ids import MeterId


def signer_of(device: int) -> MeterId:
    """Return the name under which the journal has the key of a device of this protocol."""
    return MeterId(f"etp-{device}")
