"""Keys of a made-up fleet: drawn once, kept in a folder, known to everybody in it."""

from __future__ import annotations

from pathlib import Path

from wattbay.adapters.etp.envelope import Key, key_of
from wattbay.adapters.etp.key_file import Keys, draw_keys, read_keys
from wattbay.adapters.etp.link import Guard
from wattbay.simulation.etp_fleet import Fleet


class FleetKeys:
    """A key for each member of a fleet."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        """Take up the keys in a folder; draw those that are missing.

        Raises
        ------
        ConfigError
            If a file of keys cannot be read, or made.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._mine: dict[int, Keys] = {}
        for member in fleet.members:
            file = folder / f"{member.device}.toml"
            if not file.exists():
                draw_keys(file, member.device)
            self._mine[member.device] = read_keys(file)
        self.peers: dict[int, Key] = {
            device: key_of(keys.me) for device, keys in self._mine.items()
        }

    def guard(self, device: int) -> Guard:
        """Return how a member proves who it is: a new guard each time."""
        return Keys(self._mine[device].me, self.peers).guard()
