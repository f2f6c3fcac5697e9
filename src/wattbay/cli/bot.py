"""`bot`: a home, panels or a battery that trades over MQTT by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wattbay.cli.device import Authority, Broker, Certificate, CertificateKey, Community, Key, Name

app = typer.Typer(
    no_args_is_help=True,
    help="""Be a bot: follow a market's clock, order before each gate, read its own meter.

    \b
    Examples:
      wattbay bot pv h01.pem london h01 --kwp 4
      wattbay bot consumer h02.pem london h02 --kwh-per-day 9 --strategy adaptive
      wattbay bot prosumer h03.pem london h03 --kwp 3 --kwh-per-day 8 --seed 7
      wattbay bot battery h04.pem london h04 --capacity-kwh 10

    A bot is a device: make its key with `wattbay device keys`, and enrol it.
    What it makes and draws follows the trends that the market publishes, with
    chances of its own. It has no clock: what time it is, the market says.
    Ctrl-C stops it; starting again goes on with the same meter. Needs the
    extra `live`.
    """,
)

Kwp = Annotated[float, typer.Option(help="Size of its panels.")]
KwhPerDay = Annotated[float, typer.Option(help="What it draws in a day.")]
Strategy = Annotated[str, typer.Option(help="truthful, zero_intelligence or adaptive.")]
Seed = Annotated[int, typer.Option(help="Of its habits and its chance.")]
Product = Annotated[
    str | None, typer.Option(help="What it trades. (otherwise the first that takes orders)")
]
Folder = Annotated[Path, typer.Option(help="Where its outbox and its meter are kept.")]
NoReadings = Annotated[
    bool, typer.Option("--no-readings", help="Trade, and publish no readings of its meter.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For a program to read: an object a line.")]
LOOPBACK = "127.0.0.1:1883"


@app.callback()
def bot() -> None:
    """Say what is missing before anything is begun."""
    from wattbay.cli.device import device

    device()


@app.command()
def pv(  # noqa: PLR0913, PLR0917 - one parameter an option
    key: Key,
    community: Community,
    name: Name,
    broker: Broker = LOOPBACK,
    kwp: Kwp = 4.0,
    strategy: Strategy = "truthful",
    seed: Seed = 1,
    product: Product = None,
    folder: Folder = Path(),
    authority: Authority = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
    no_readings: NoReadings = False,
    as_json: AsJson = False,
) -> None:
    """Sell what panels are expected to make."""
    from wattbay.cli.bot_work import Asked, Place, work

    place = Place(broker, authority, certificate, certificate_key)
    asked = Asked("pv", community, name, kwp=kwp, strategy=strategy, seed=seed, product=product)
    raise typer.Exit(work(asked, key, place, folder, is_metered=not no_readings, as_json=as_json))


@app.command()
def consumer(  # noqa: PLR0913, PLR0917 - one parameter an option
    key: Key,
    community: Community,
    name: Name,
    broker: Broker = LOOPBACK,
    kwh_per_day: KwhPerDay = 8.0,
    strategy: Strategy = "truthful",
    seed: Seed = 1,
    product: Product = None,
    folder: Folder = Path(),
    authority: Authority = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
    no_readings: NoReadings = False,
    as_json: AsJson = False,
) -> None:
    """Buy what a home expects to need."""
    from wattbay.cli.bot_work import Asked, Place, work

    place = Place(broker, authority, certificate, certificate_key)
    asked = Asked(
        "consumer", community, name,
        kwh_per_day=kwh_per_day, strategy=strategy, seed=seed, product=product,
    )  # fmt: skip
    raise typer.Exit(work(asked, key, place, folder, is_metered=not no_readings, as_json=as_json))


@app.command()
def prosumer(  # noqa: PLR0913, PLR0917 - one parameter an option
    key: Key,
    community: Community,
    name: Name,
    broker: Broker = LOOPBACK,
    kwp: Kwp = 4.0,
    kwh_per_day: KwhPerDay = 8.0,
    strategy: Strategy = "truthful",
    seed: Seed = 1,
    product: Product = None,
    folder: Folder = Path(),
    authority: Authority = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
    no_readings: NoReadings = False,
    as_json: AsJson = False,
) -> None:
    """Sell what a home with panels has left, and buy what it lacks."""
    from wattbay.cli.bot_work import Asked, Place, work

    place = Place(broker, authority, certificate, certificate_key)
    asked = Asked(
        "prosumer", community, name,
        kwp=kwp, kwh_per_day=kwh_per_day, strategy=strategy, seed=seed, product=product,
    )  # fmt: skip
    raise typer.Exit(work(asked, key, place, folder, is_metered=not no_readings, as_json=as_json))


@app.command()
def battery(  # noqa: PLR0913, PLR0917 - one parameter an option
    key: Key,
    community: Community,
    name: Name,
    broker: Broker = LOOPBACK,
    capacity_kwh: Annotated[float, typer.Option(help="What it can hold.")] = 5.0,
    power_kw: Annotated[float, typer.Option(help="How fast it takes and gives.")] = 2.5,
    strategy: Strategy = "truthful",
    seed: Seed = 1,
    product: Product = None,
    folder: Folder = Path(),
    authority: Authority = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
    no_readings: NoReadings = False,
    as_json: AsJson = False,
) -> None:
    """Buy cheap and sell dear, by the prices that the market publishes."""
    from wattbay.cli.bot_work import Asked, Place, work

    place = Place(broker, authority, certificate, certificate_key)
    asked = Asked(
        "battery", community, name, capacity_kwh=capacity_kwh, power_kw=power_kw,
        strategy=strategy, seed=seed, product=product,
    )  # fmt: skip
    raise typer.Exit(work(asked, key, place, folder, is_metered=not no_readings, as_json=as_json))
