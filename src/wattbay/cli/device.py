"""`device`: what a meter and its fitter do, from a key to a reading that is stored."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wattbay.kernel.clock import Clock

app = typer.Typer(
    no_args_is_help=True,
    help="""Be a device: make its key, enrol it, send signed readings, look at what is sent.

    \b
    From a key to a stored reading:
      wattbay device keys m07.pem                   a key of its own
      wattbay device register m07.pem london m07    who it is, for the operator
                                                    (wattbay operator join)
      wattbay device test m07.pem london m07        does the broker let it in?
      wattbay device run m07.pem london m07         sign and send what is read
      wattbay device verify --live london --enrolled m07.json

    What these need beyond a plain installation is in the extra `live`.
    """,
)

Key = Annotated[Path, typer.Argument(help="The device's private key (PEM).")]
Community = Annotated[str, typer.Argument(help="The community, such as london.")]
Name = Annotated[str, typer.Argument(help="The device, such as m07.")]
Broker = Annotated[str, typer.Option(help="HOST or HOST:PORT.")]
Authority = Annotated[
    Path | None, typer.Option("--authority", help="PEM of who signed the broker's certificate.")
]
Certificate = Annotated[
    Path | None, typer.Option("--certificate", help="PEM of the device's certificate.")
]
CertificateKey = Annotated[
    Path | None, typer.Option("--certificate-key", help="PEM of that certificate's key.")
]
Outbox = Annotated[
    Path | None,
    typer.Option(help="What is not acknowledged yet is kept here. (otherwise DEVICE.outbox)"),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        help="An API key, or what `wattbay operator sign-in` keeps. (otherwise WATTBAY_API_KEY)"
    ),
]
ServiceAuthority = Annotated[
    Path | None,
    typer.Option(help="PEM of who signed the service's certificate, where not publicly known."),
]
LOOPBACK = "127.0.0.1:1883"


@app.callback()
def device() -> None:
    """Say what is missing before anything is begun."""
    from wattbay.errors import ConfigError, Fault

    try:
        import cryptography
        import gmqtt  # type: ignore[import-untyped] # brings no types
        import paho.mqtt
    except ImportError as error:
        where = "wattbay device"
        remedy = "pip install 'wattbay[live]'"
        raise ConfigError(Fault(where, f"{error.name} is not installed", remedy)) from error
    del cryptography, gmqtt, paho


@app.command()
def keys(
    file: Annotated[Path, typer.Argument(help="Where to write the private key (PEM, PKCS #8).")],
    p256: Annotated[
        bool, typer.Option("--p256", help="P-256, for hardware without Ed25519.")
    ] = False,
) -> None:
    """Make a device's key, and print the public one.

    The file is readable by its owner alone, and never overwritten. Keep it
    on the device: whoever has it can sign readings in its name.

    \b
    Example:
      wattbay device keys m07.pem
      openssl pkey -in m07.pem -pubout       the same key, to other programs
    """
    from wattbay.cli.device_work import make_keys

    make_keys(file, is_p256=p256)


@app.command()
def register(  # noqa: PLR0913, PLR0917 - one parameter an option
    key: Key,
    community: Community,
    name: Name,
    kind: Annotated[
        str,
        typer.Option(
            help="meter, pv-inverter, wind-turbine, battery, home-display, grid-sensor,"
            " power-unit or aggregator."
        ),
    ] = "meter",
    challenge: Annotated[str, typer.Option(help="What the operator gave you to have signed.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write the request here. (otherwise NAME.json)")
    ] = None,
    to: Annotated[str, typer.Option(help="A service's URL: bring the request there.")] = "",
    key_file: KeyFile = None,
    service_authority: ServiceAuthority = None,
    pod: Annotated[
        str | None,
        typer.Option(help="With --to: behind which it stands; of a meter: whose it becomes."),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="With --to: of a sensor of the grid, what it watches.")
    ] = None,
    power_max_kw: Annotated[int, typer.Option(help="With --to: more is impossible.")] = 100,
    final_registers: Annotated[
        str, typer.Option(help="IMPORT,EXPORT of the meter that this one takes the place of.")
    ] = "",
    registers: Annotated[
        str, typer.Option(help="IMPORT,EXPORT of this meter as it is put in. (otherwise 0,0)")
    ] = "",
) -> None:
    """Ask to be known: a request with the public key, signed by it.

    The signature shows that whoever asks holds the private key; who they
    are, the operator finds out otherwise. With --to it is brought to a
    running service in the name of an API key, a household's or the
    operator's: it is signed over a challenge, and the device is known at
    once. Without, it is a file for whoever runs the community; and so is
    that of a meter, which comes with its pod (`wattbay operator join`),
    unless it takes the place of a pod's present one (--pod).

    \b
    Examples:
      wattbay device register m07.pem london m07
      wattbay device register battery.toml london etp-101 --kind battery --pod h07 \\
          --to https://market.example:8443 --key-file p07.key
      wattbay device register b07.pem london b07 --kind battery --pod h07 \\
        --to https://market.example:8443 --key-file p07.key --power-max-kw 5
      wattbay device register n07.pem london n07 --pod h07 --final-registers 48213,9120 \\
        --to https://market.example:8443 --key-file ~/.config/wattbay/operator.json
    """
    from wattbay.cli.device_enrol import Counter, Place, Wish
    from wattbay.cli.device_enrol import register as bring

    place = Place(pod, zone, power_max_kw, final=final_registers, initial=registers)
    counter = Counter(to, key_file, service_authority) if to else None
    wish = Wish(key, community, name, kind, challenge)
    bring(wish, counter, place, out or Path(f"{name}.json"))


@app.command()
def rotate(
    key: Annotated[Path, typer.Argument(help="The private key by which it signs now (PEM).")],
    community: Community,
    name: Name,
    to: Annotated[str, typer.Option(help="The service's URL.")],
    new: Annotated[
        Path | None, typer.Option(help="The key from now on; made if new. (otherwise NAME.new.pem)")
    ] = None,
    key_file: KeyFile = None,
    service_authority: ServiceAuthority = None,
) -> None:
    """Let a device sign with another key from now on.

    The new key signs the request, so nobody enrols one that they do not
    hold. Readings that the old one signed are taken until the next rotation,
    so that none that waits in the outbox is lost: where somebody else may
    have the key, rotate twice, or revoke.

    \b
    Example:
      wattbay device rotate m07.pem london m07 --new m07-2.pem \\
        --to https://market.example:8443 --key-file p07.key
    """
    from wattbay.cli.device_enrol import Counter, Wish
    from wattbay.cli.device_enrol import rotate as renew

    counter = Counter(to, key_file, service_authority)
    renew(Wish(key, community, name, "meter"), counter, new or Path(f"{name}.new.pem"))


@app.command()
def revoke(
    name: Name,
    to: Annotated[str, typer.Option(help="The service's URL.")],
    reason: Annotated[str, typer.Option(help="Why, in words: it stands in history.")],
    key_file: KeyFile = None,
    service_authority: ServiceAuthority = None,
) -> None:
    """Let a device be believed nothing more, at once and for good.

    A pod whose meter is revoked has no readings until another is put in. Put
    its certificate on the broker's list of those revoked, too.

    \b
    Example:
      wattbay device revoke m07 --reason "its key was lost" \\
        --to https://market.example:8443 --key-file ~/.config/wattbay/operator.json
    """
    from wattbay.cli.device_enrol import Counter
    from wattbay.cli.device_enrol import revoke as disbelieve

    disbelieve(name, Counter(to, key_file, service_authority), reason)


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    key: Key,
    community: Community,
    name: Name,
    broker: Broker = LOOPBACK,
    outbox: Outbox = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for acknowledgements at the end.")
    ] = 30.0,
    jws: Annotated[bool, typer.Option("--jws", help="Readings as text instead of CBOR.")] = False,
    market_clock: Annotated[
        bool,
        typer.Option(
            "--market-clock", help="Stamp by the market's time, such as a made-up street's."
        ),
    ] = False,
    authority: Authority = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
) -> None:
    """Sign and send what standard input says, one line of JSON a reading.

    A line holds the registers, and what else there is to say:

    \b
      {"at": "2026-05-01T12:00Z", "import": 48213, "export": 9120}
      {"import": 48219, "export": 9120, "power_w": -250, "voltage_mv": 230100,
       "flags": 1}

    `at` may be left out: now, by the machine's clock; with --market-clock
    by what the market says that it is, never ahead of it. Power into the
    grid is positive. Flags are 1 tamper, 2 low battery, 3 both. Each reading
    is kept in the outbox until the service says that it is stored, through
    loss of power and of the connection. Exit status 1 where some still wait
    at the end.

    \b
    Example:
      echo '{"import": 48213, "export": 9120}' | wattbay device run m07.pem london m07
    """
    from wattbay.cli.device_work import Place, Sending, run_device

    place = Place(broker, authority, certificate, certificate_key)
    path = outbox or Path(f"{name}.outbox")
    by: AbstractContextManager[Clock | None] = nullcontext()
    if market_clock:
        from wattbay.cli.device_clock import market_clock as heard

        by = heard(community, name, place, wait)
    with by as clock:
        how = Sending(wait, jws, clock)
        status = run_device(key, community, name, place, path, how)
    raise typer.Exit(status)


@app.command("test")
def try_out(  # noqa: PLR0913, PLR0917 - one parameter an option
    key: Key,
    community: Community,
    name: Name,
    broker: Broker = LOOPBACK,
    registers: Annotated[
        str, typer.Option(help="IMPORT,EXPORT as the meter shows them: sends a real reading.")
    ] = "",
    outbox: Outbox = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for each answer.")] = 10.0,
    authority: Authority = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
) -> None:
    """Try the way to the broker and back, and say what was found.

    Without --registers nothing is stored: the connection, the right to
    publish and to listen are tried. With it, a signed reading goes to the
    service, and its acknowledgement is waited for.

    \b
    Example:
      wattbay device test m07.pem london m07 --broker broker.example:8883 \\
        --authority authority.pem --certificate m07.crt --certificate-key m07.key \\
        --registers 48213,9120
    """
    from wattbay.cli.device_work import Place, try_device

    place = Place(broker, authority, certificate, certificate_key)
    path = outbox or Path(f"{name}.outbox")
    raise typer.Exit(try_device(key, community, name, place, path, registers, wait_s=wait))


@app.command()
def simulate(  # noqa: PLR0913, PLR0917 - one parameter an option
    community: Community,
    folder: Annotated[
        Path, typer.Option(help="Keys, requests and outboxes of the devices are kept here.")
    ] = Path("devices"),
    homes: Annotated[int, typer.Option(help="How many. 1 to 1,000.")] = 3,
    readings: Annotated[int, typer.Option(help="Of each home, then it ends.")] = 96,
    every: Annotated[float, typer.Option(help="Seconds between readings; 0: no pause.")] = 1.0,
    step: Annotated[int, typer.Option(help="Minutes of the homes' time between them.")] = 15,
    start: Annotated[
        str, typer.Option(help="When the homes' time begins, such as 2026-05-01T00:00Z.")
    ] = "2026-05-01T00:00Z",
    seed: Annotated[int, typer.Option(help="Draw other homes.")] = 1,
    broker: Broker = LOOPBACK,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for acknowledgements at the end.")
    ] = 10.0,
) -> None:
    """Be some homes with panels, and publish their signed readings.

    Keys and enrolment requests are made in --folder the first time. A home
    draws 100 to 900 W by the time of day, and every other one has panels.
    Nobody need listen: what is not acknowledged stays in the outboxes.

    \b
    Example, in three terminals:
      mosquitto -p 1883
      wattbay device verify --live london --enrolled devices/h01.json
      wattbay device simulate london
    """
    from wattbay.cli.device_home import Street, simulate_street

    street = Street(community, homes, readings, every, step, start, seed)
    raise typer.Exit(simulate_street(street, folder, broker, wait_s=wait))


@app.command()
def verify(  # noqa: PLR0913, PLR0917 - one parameter an option
    file: Annotated[
        Path | None, typer.Argument(help="Lines of `TOPIC PAYLOAD`; the payload in hex, or a JWS.")
    ] = None,
    live: Annotated[
        str, typer.Option(help="A community: listen to its readings at the broker instead.")
    ] = "",
    enrolled: Annotated[
        list[Path] | None, typer.Option(help="An enrolment request: whose key is known.")
    ] = None,
    count: Annotated[int, typer.Option(help="With --live: end after so many.")] = 10,
    wait: Annotated[float, typer.Option(help="With --live: end after so many seconds.")] = 60.0,
    broker: Broker = LOOPBACK,
    authority: Authority = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Check signatures of readings, and print what they say.

    Reads a file, or listens at a broker. Exit status 1 where one is not
    what it claims to be.

    \b
    Examples:
      mosquitto_sub -t 'em/v1/london/+/data' -F '%t %x' -C 20 > readings.txt
      wattbay device verify readings.txt --enrolled m07.json
      wattbay device verify --live london --enrolled m07.json --enrolled m08.json
    """
    from wattbay.cli.device_check import Source, verify_readings
    from wattbay.cli.device_work import Place

    place = Place(broker, authority, certificate, certificate_key)
    source = Source(file, live, count, wait, place)
    raise typer.Exit(verify_readings(source, enrolled or [], as_json=as_json))
