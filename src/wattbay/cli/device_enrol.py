"""`device register --to`, `rotate` and `revoke`: a device's requests, sent to a running service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from wattbay.adapters.etp.envelope import Scheme
from wattbay.adapters.etp.key_file import read_keys
from wattbay.adapters.etp.proofs import signer_of
from wattbay.adapters.mqtt import enrolment
from wattbay.adapters.mqtt.enrolment import DeviceKind, Enrolment
from wattbay.adapters.mqtt.keys import (
    Algorithm,
    Ed25519Signer,
    Signer,
    algorithm_of,
    read_key,
    write_key,
)
from wattbay.adapters.rest.client import Json, RestClient, path_of
from wattbay.cli.device_work import check_names, registers_shown
from wattbay.errors import AdapterError, ConfigError, Fault
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.clock import SystemClock

KEY_VARIABLE = "WATTBAY_API_KEY"
W_PER_KW = 1_000
ETP_KEYS = ".toml"
"""How files of keys for the Energy Trading Protocol end."""


class Counter(NamedTuple):
    """The service to which a request is brought, and by whose key."""

    to: str
    key_file: Path | None = None
    authority: Path | None = None

    def client(self) -> RestClient:
        """Return a client of it.

        Raises
        ------
        ConfigError
            If there is no key.
        """
        return RestClient(self.to, key=self.key(), authority=self.authority)

    def key(self, option: str = "--key-file") -> str:
        """Return the API key in whose name it is called.

        Parameters
        ----------
        option
            By which its file is named.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if self.key_file is None:
            key = os.environ.get(KEY_VARIABLE, "")
            if not key:
                remedy = f"a file with an API key, or {KEY_VARIABLE}"
                raise ConfigError(Fault(option, "in whose name?", remedy))
            return key
        try:
            text = self.key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(Fault(str(self.key_file), f"cannot be read: {error}")) from error
        if text.startswith("{"):  # What `operator sign-in` keeps.
            try:
                return str(msgspec.json.decode(text, type=Json)["key"])
            except (msgspec.DecodeError, KeyError) as error:
                raise ConfigError(Fault(str(self.key_file), "holds no key")) from error
        return text


class Place(NamedTuple):
    """Where a device stands."""

    pod: str | None = None
    zone: str | None = None
    power_max_kw: int = 100
    final: str = ""
    """Registers of the meter that goes, IMPORT,EXPORT."""
    initial: str = ""
    """Registers of the meter that comes."""


class Wish(NamedTuple):
    """Who wants to be known as what."""

    key: Path
    community: str
    name: str
    kind: str
    challenge: str = ""


def made(wish: Wish) -> Enrolment:
    """Return a signed request.

    Raises
    ------
    ConfigError
        If names or kind cannot be.
    """
    check_names(wish.community, wish.name)
    try:
        kind = DeviceKind(wish.kind)
    except ValueError:
        fault = Fault("--kind", f"{wish.kind!r}", ", ".join(DeviceKind))
        raise ConfigError(fault) from None
    return enrolment.request(
        CommunityId(wish.community), MeterId(wish.name), kind, _signer(wish),
        SystemClock().now(), challenge=wish.challenge,
    )  # fmt: skip


def _signer(wish: Wish) -> Signer:
    """Return what a device signs with: a key in PEM, or one that `wattbay etp keys` drew.

    Raises
    ------
    ConfigError
        If the file is of another device, or holds a shared secret: that proves nothing to a third.
    """
    if wish.key.suffix != ETP_KEYS:
        return read_key(wish.key)
    me = read_keys(wish.key).me
    if signer_of(me.device_id) != wish.name:
        what = f"{wish.key} is of device {me.device_id}"
        raise ConfigError(Fault("NAME", what, signer_of(me.device_id)))
    if me.scheme is not Scheme.ED25519:
        raise ConfigError(
            Fault(str(wish.key), "holds a shared secret", "wattbay etp keys draws one")
        )
    return Ed25519Signer(me.secret)


def register(wish: Wish, counter: Counter | None, place: Place, out: Path) -> None:
    """Write a request, send it where somebody takes it, and say what came of it."""
    is_meter = wish.kind == DeviceKind.METER
    if counter is None or (is_meter and place.pod is None):
        out.write_bytes(enrolment.encode(made(wish)))
        print(f"{out}: give it to whoever runs {wish.community}; it holds nothing secret")
        if counter is not None:
            pod = "--pod POD --party PARTY"
            print("a meter comes with its pod, or takes the place of another with --pod:")
            print(f"wattbay operator join {pod} --request {out}")
        return
    made(wish)  # What is wrong with names is told before a challenge is used.
    client = counter.client()
    if is_meter and place.pod is not None:
        _exchange_meter(client, wish, place.pod, place)
        return
    body = {
        "request": _challenged(client, wish),
        "pod": place.pod,
        "zone": place.zone,
        "power_max_w": place.power_max_kw * W_PER_KW,
    }
    done = client.post(path_of("devices"), body, Json)
    where = f" behind {place.pod}" if place.pod else f" in {place.zone}" if place.zone else ""
    print(f"{wish.name} is known as a {wish.kind}{where}; entry {done['entry']}")


def _exchange_meter(client: RestClient, wish: Wish, pod: str, place: Place) -> None:
    """Put a meter in the place of a pod's present one, as of now."""
    final = registers_shown(place.final, "--final-registers")
    initial = registers_shown(place.initial, "--registers") or (0, 0)
    if final is None:
        what = f"what does the meter of {pod} show as it goes?"
        raise ConfigError(Fault("--final-registers", what, "IMPORT,EXPORT: 48213,9120"))
    body = {
        "at": client.get(path_of("community"), Json)["now"],
        "final_import": final[0],
        "final_export": final[1],
        "meter": {
            "request": _challenged(client, wish),
            "import_register": initial[0],
            "export_register": initial[1],
            "power_max_w": place.power_max_kw * W_PER_KW,
        },
    }
    done = client.post(path_of("pods", pod, "meter"), body, Json)
    print(f"{wish.name} is the meter of {pod} from {body['at']} on; entry {done['entries'][0]}")


def _challenged(client: RestClient, wish: Wish) -> Json:
    """Return a request over a challenge of the service's, which shows that it is made just now."""
    challenge = wish.challenge
    if not challenge:
        given = client.post(path_of("devices", "challenge"), {"device": wish.name}, Json)
        challenge = str(given["challenge"])
    told: Json = msgspec.to_builtins(made(wish._replace(challenge=challenge)))
    return told


def rotate(wish: Wish, counter: Counter, new: Path) -> None:
    """Let a device sign with another key from now on."""
    check_names(wish.community, wish.name)
    before = read_key(wish.key)
    client = counter.client()
    known = client.get(path_of("devices", wish.name), Json)
    if known["revoked"] is not None:
        raise AdapterError(f"{wish.name} is revoked ({known['revoked']}): register another")
    if known["public_key"] != before.public_key.hex():
        raise AdapterError(f"{wish.name} does not sign with {wish.key}: another key is known")
    if not new.exists():
        write_key(new, algorithm_of(before.public_key) or Algorithm.ED25519)
    renewed = wish._replace(key=new, kind=str(known["kind"]))
    body = {"request": _challenged(client, renewed)}
    done = client.put(path_of("devices", wish.name, "key"), body, Json)
    print(f"{wish.name} signs with {new} from now on; entry {done['entry']}")
    print(f"start it with that key; what {wish.key} signed is taken until the next rotation")


def revoke(name: str, counter: Counter, reason: str) -> None:
    """Let a device be believed nothing more."""
    counter.client().delete(path_of("devices", name), reason=reason)
    print(f"{name} is believed nothing more, for good: {reason}")
