"""Readings as JWS in compact form with a SenML body in JSON: the form that gateways speak.

Three parts in base64url, with points between [1]_: the header, the body, and the signature of
both.

.. code-block:: text

    {"alg":"Ed25519","kid":"m07","topic":"em/v1/london/m07/data"}
    [{"bn":"m07/","bt":1370820600,"n":"1-0:1.8.0","v":48213},{"n":"1-0:2.8.0","v":9120},
     {"n":"boot","v":1},{"n":"seq","v":337},{"n":"flags","v":1},
     {"n":"1-0:16.7.0","u":"W","v":-250},{"n":"1-0:32.7.0","u":"mV","v":230100}]

without a space and in this order; the last three records may be left out, each by itself. The
header bears the topic, so that a reading cannot be moved to another one. `alg` is ``Ed25519`` [2]_
or ``ES256``; of the two signatures that ES256 allows, the one with the smaller S is taken. So a
reading has one form for each signature.

References
----------
.. [1] M. Jones et al., "JSON Web Signature (JWS)," RFC 7515.
.. [2] M. Jones, O. Steele, "Fully-Specified Algorithms for JOSE and COSE," RFC 9864.
"""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from types import MappingProxyType

from wattbay.adapters.mqtt.cose import FLAGS_MAX, MEASURED_AT_MIN, Signed
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import SECOND, Instant
from wattbay.units import SAFE_INTEGER_MAX

READING_BYTES_MAX = 1_024
"""Twice the longest reading; what is longer is not looked at."""
FIRST_BYTE = ord("e")
"""Of every header: ``{"`` in base64url. By this a reading is told from one in COSE."""

_ALGORITHMS = MappingProxyType({32: "Ed25519", 33: "ES256"})
"""By the length of the public key."""
_PARTS = 3
_NUMBER = r"(0|[1-9][0-9]{0,15})"
_BODY = re.compile(
    r'\[\{"bn":"([A-Za-z0-9_-]{1,64})/","bt":' + _NUMBER + r"(?:\.([0-9]{0,5}[1-9]))?"
    r',"n":"1-0:1\.8\.0","v":' + _NUMBER + r'\},\{"n":"1-0:2\.8\.0","v":' + _NUMBER
    + r'\},\{"n":"boot","v":' + _NUMBER + r'\},\{"n":"seq","v":' + _NUMBER + r"\}"
    r'(?:,\{"n":"flags","v":([1-9][0-9]{0,2})\})?'
    r'(?:,\{"n":"1-0:16\.7\.0","u":"W","v":(0|-?[1-9][0-9]{0,15})\})?'
    r'(?:,\{"n":"1-0:32\.7\.0","u":"mV","v":' + _NUMBER + r"\})?\]"
)  # fmt: skip
_FRACTION_DIGITS = 6


def to_sign(topic: str, reading: Reading, key_bytes: int) -> bytes:
    """Return what the signature covers: header and body with the point between."""
    return to_sign_body(topic, reading.device, key_bytes, _body(reading).encode())


def to_sign_body(topic: str, device: MeterId, key_bytes: int, body: bytes) -> bytes:
    """Return what the signature of any body covers, that of a reading or of an order."""
    return _header(topic, device, key_bytes) + b"." + _base64(body)


def message(signed: bytes, signature: bytes) -> bytes:
    """Return the bytes that a device publishes."""
    return signed + b"." + _base64(signature)


def take_apart(payload: bytes, topic: str, device: MeterId, key_bytes: int) -> Signed:
    """Find what is signed in a message of `device`.

    Raises
    ------
    WireError
        If it is not the envelope of a reading of `device`.
    """
    if len(payload) > READING_BYTES_MAX:
        msg = f"wrong form: {len(payload)} bytes; at most {READING_BYTES_MAX}"
        raise WireError(msg)
    parts = payload.split(b".")
    if len(parts) != _PARTS:
        msg = "wrong form: a JWS has three parts with points between"
        raise WireError(msg)
    header, body, signature = parts
    if header != _header(topic, device, key_bytes):
        msg = "wrong form: the header is not that of the meter, its key and this topic"
        raise WireError(msg)
    return Signed(header + b"." + body, _bytes(signature), _bytes(body))


def read(proof: bytes, body: bytes, community: CommunityId, device: MeterId) -> Reading:
    """Read the body of an authentic message in its one form.

    Raises
    ------
    WireError
        If it has another.
    """
    found = _BODY.fullmatch(body.decode("ascii", errors="replace"))
    if found is None or found.group(1) != device:
        msg = "wrong form: the body is not that of a reading of the meter"
        raise WireError(msg)
    _, seconds, fraction, drawn, injected, boot, seq, flags, power, voltage = found.groups()
    microseconds = int((fraction or "").ljust(_FRACTION_DIGITS, "0"))
    measured_at = int(seconds) * SECOND + microseconds
    reading = Reading(
        community, device, int(boot), int(seq), Instant(measured_at), int(drawn), int(injected),
        int(flags or 0),
        None if power is None else -int(power),
        None if voltage is None else int(voltage),
        proof,
    )  # fmt: skip
    check_range(reading)
    return reading


def check_range(reading: Reading) -> None:
    """Refuse what does not fit the wire, in either form.

    Raises
    ------
    WireError
        If a number is out of range.
    """
    numbers = (
        reading.boot,
        reading.seq,
        reading.import_register,
        reading.export_register,
        reading.voltage_mv or 0,
    )
    if (
        min(numbers) < 0
        or max(*numbers, reading.measured_at, abs(reading.power_w or 0)) > SAFE_INTEGER_MAX
        or reading.measured_at < MEASURED_AT_MIN
        or not 0 <= reading.flags <= FLAGS_MAX
    ):
        msg = "out of range: a reading holds numbers from 0 to 2**53 - 1, and times since 1978"
        raise WireError(msg)


def _header(topic: str, device: MeterId, key_bytes: int) -> bytes:
    """Return the first part of a message."""
    text = f'{{"alg":"{_ALGORITHMS[key_bytes]}","kid":"{device}","topic":"{topic}"}}'
    return _base64(text.encode())


def _body(reading: Reading) -> str:
    """Return the body of a reading."""
    seconds, rest = divmod(reading.measured_at, SECOND)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    base = f'"bn":"{reading.device}/","bt":{seconds}{fraction}'
    records = [
        f'{{{base},"n":"1-0:1.8.0","v":{reading.import_register}}}',
        f'{{"n":"1-0:2.8.0","v":{reading.export_register}}}',
        f'{{"n":"boot","v":{reading.boot}}}',
        f'{{"n":"seq","v":{reading.seq}}}',
    ]
    if reading.flags:
        records.append(f'{{"n":"flags","v":{reading.flags}}}')
    if reading.power_w is not None:
        records.append(f'{{"n":"1-0:16.7.0","u":"W","v":{-reading.power_w}}}')
    if reading.voltage_mv is not None:
        records.append(f'{{"n":"1-0:32.7.0","u":"mV","v":{reading.voltage_mv}}}')
    return f"[{','.join(records)}]"


def _base64(part: bytes) -> bytes:
    """Return bytes in base64url without padding."""
    return urlsafe_b64encode(part).rstrip(b"=")


def _bytes(part: bytes) -> bytes:
    """Read base64url without padding, in its one form."""
    try:
        found = b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except Base64Error:
        found = b""
    if not found or _base64(found) != part:
        msg = "wrong form: a part is no base64url"
        raise WireError(msg)
    return found
