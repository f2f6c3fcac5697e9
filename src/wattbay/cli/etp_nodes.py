"""The commands of `etp` that stay: a battery, an aggregator, a gateway, a demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

GROUP = "239.192.84.1"
Keys = Annotated[Path | None, typer.Option(help="A file of keys: `wattbay etp keys` makes one.")]
Plain = Annotated[
    bool, typer.Option("--plain", help="No envelopes: anybody can then say to be anybody.")
]
Host = Annotated[str, typer.Option(help="Address at which it listens.")]
McGroup = Annotated[str, typer.Option(help="Multicast group in which batteries are found.")]
McPort = Annotated[int, typer.Option(help="Port of the group.")]
Interface = Annotated[str, typer.Option(help="Address or name of one of ours, for the group.")]
Hidden = Annotated[
    bool, typer.Option("--no-discovery", help="Neither be found in a group, nor look for others.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]
MayBuy = Annotated[
    list[int] | None,
    typer.Option(
        help="Who may buy, and has credit: a device. (otherwise all in the keys) "
        "A folder takes no others later."
    ),
]
AtFirst = Annotated[float | None, typer.Option(help="What it holds at first. (otherwise 80 %)")]
WindowMs = Annotated[
    int, typer.Option(help="Bids are collected so long, and the best wins; 0: the first.")
]
CreditCents = Annotated[
    int | None, typer.Option(help="What each bidder may owe. (otherwise 100000)")
]
BessFolder = Annotated[
    Path | None,
    typer.Option(help="Where its journal, or what it brings, is kept. (otherwise bess-DEVICE)"),
]
Speed = Annotated[
    int | None, typer.Option(help="How many seconds pass in one. 1 to 3600. (otherwise 60)")
]
ServiceUrl = Annotated[
    str | None, typer.Option(help="URL of a community's service, to sell there.")
]
ApiKeyFile = Annotated[
    Path | None, typer.Option(help="An API key of it. (otherwise WATTBAY_API_KEY)")
]
ServiceAuthority = Annotated[Path | None, typer.Option(help="PEM of who signed its certificate.")]
FleetFile = Annotated[
    Path | None, typer.Option(help="A fleet file. (otherwise three batteries, five aggregators)")
]


def join(app: typer.Typer) -> None:
    """Let an app have these commands."""
    for command in (demo, bess, aggregator, gateway):
        app.command()(command)


def demo(
    seconds: Annotated[float, typer.Option(help="How long to show it. Ctrl-C ends it.")] = 60.0,
    fleet: FleetFile = None,
    folder: Annotated[
        Path, typer.Option(help="Where its journal is kept: the next time goes on with it.")
    ] = Path("etp-demo"),
    gateway_port: Annotated[
        int | None, typer.Option(help="Tell the events on a WebSocket at this port, too.")
    ] = None,
) -> None:
    """Watch batteries sell to competing aggregators, live.

    Three batteries hold auctions, five aggregators bid, over real TCP links
    in signed envelopes. Each sale is in a journal before it counts; energy
    flows, meters sign, and it is settled to receipts. A second is a minute
    of its time. Where this is no terminal, a line is printed for each event.
    Kept is what meters saw of what was promised, as far as that is settled.

    \b
    Examples:
      wattbay etp demo
      wattbay etp demo --seconds 20 --folder /tmp/etp
    """
    from wattbay.cli.etp_demo import Shown
    from wattbay.cli.etp_demo import demo as show
    from wattbay.cli.etp_options import SECONDS_MAX, no_port, out_of, refuse
    from wattbay.simulation.etp_fleet import DEFAULT, read_fleet

    refuse(
        out_of("--seconds", seconds, 1, SECONDS_MAX), no_port("--gateway-port", gateway_port)
    )  # fmt: skip
    shown = Shown(folder, seconds, gateway_port)
    raise typer.Exit(show(read_fleet(fleet or DEFAULT), shown))


def bess(  # noqa: PLR0913, PLR0917 - one parameter an option
    device: Annotated[int, typer.Argument(help="The id of the battery.")] = 101,
    keys: Keys = None,
    plain: Plain = False,
    bidder: MayBuy = None,
    capacity_kwh: Annotated[float, typer.Option(help="What it can hold.")] = 15.0,
    level_kwh: AtFirst = None,
    for_sale: Annotated[float, typer.Option(help="Share of it that is for sale. [%]")] = 80.0,
    reserve_cents: Annotated[float, typer.Option(help="It sells for no less, per kWh.")] = 8.0,
    discharge_kw: Annotated[float, typer.Option(help="How fast it gives.")] = 5.0,
    window_ms: WindowMs = 300,
    credit_cents: CreditCents = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port, and UDP; 0: any free one.")] = 0,
    folder: BessFolder = None,
    speed: Speed = None,
    service: ServiceUrl = None,
    api_key_file: ApiKeyFile = None,
    service_authority: ServiceAuthority = None,
    pod: Annotated[str | None, typer.Option(help="For which pod it sells there.")] = None,
    product: Annotated[str | None, typer.Option(help="In which product: a bilateral one.")] = None,
    group: McGroup = GROUP,
    group_port: McPort = 8888,
    interface: Interface = "",
    no_discovery: Hidden = False,
    as_json: AsJson = False,
) -> None:
    """Sell what a battery holds, to whoever bids most.

    It listens for aggregators, is found by them in a multicast group, and
    keeps a journal of what it sold: each sale with the bids as they came.
    The battery itself and its meter are simulated. Ctrl-C stops it;
    starting again goes on where it was.

    With --service it keeps no journal: its sales are brought to a community,
    and are settled there by what real meters see.

    \b
    Examples:
      wattbay etp bess 101 --plain --bidder 201 --bidder 202
      wattbay etp bess 101 --keys battery.toml --host 192.0.2.7 --reserve-cents 9.5
      wattbay etp bess 101 --keys battery.toml --api-key-file h07.key \\
        --service https://market.example:8443 --pod h07 --product immediate
    """
    from wattbay.adapters.etp.datagrams import Group
    from wattbay.assembly.etp import Where
    from wattbay.cli.etp_options import no_port, not_of, refuse
    from wattbay.cli.etp_run import Serving, guards, serve
    from wattbay.simulation.etp_fleet import Alone, fleet_of

    refuse(no_port("--port", port))
    known = guards(keys, plain=plain)
    found = tuple(bidder or (sorted(known.peers) if known is not None else ()))
    fleet = fleet_of(
        Alone(
            device, capacity_kwh, level_kwh, reserve_cents, for_sale, discharge_kw, window_ms,
            bidders=found, credit_cents=100_000 if credit_cents is None else credit_cents,
            speed=60 if speed is None else speed,
        )
    )  # fmt: skip
    group_of = None if no_discovery else Group(group, group_port, interface)
    where = folder or Path(f"bess-{device}")
    if service is not None:
        from wattbay.assembly.etp_home import Home
        from wattbay.cli.etp_service import Selling, Service, check_options, sell

        unfit = {
            "--bidder": bool(bidder), "--credit-cents": credit_cents is not None,
            "--speed": speed is not None,
        }  # fmt: skip
        there = Service(service, api_key_file, service_authority, pod, product)
        signed = check_options(known, device, there, unfit)
        home = Home(fleet.batteries[0].bess, fleet.batteries[0].rules, where)
        raise typer.Exit(sell(signed, there, Selling(home, host, port, group_of, as_json)))
    refuse(not_of(device, known))
    serving = Serving(where, Where(host, (port,) if port else ()), group_of, as_json=as_json)
    raise typer.Exit(serve(fleet, None if known is None else {device: known}, serving))


def aggregator(  # noqa: PLR0913, PLR0917 - one parameter an option
    device: Annotated[int, typer.Argument(help="The id of the aggregator.")] = 201,
    keys: Keys = None,
    plain: Plain = False,
    battery: Annotated[
        list[str] | None, typer.Option(help="A battery to call, as 101@192.0.2.7:8101.")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="random, conservative, aggressive or intelligent.")
    ] = "intelligent",
    cap_cents: Annotated[float, typer.Option(help="It bids no more, per kWh.")] = 25.0,
    need_kwh: Annotated[float, typer.Option(help="What it wants in all.")] = 10.0,
    lot_kwh: Annotated[float, typer.Option(help="What it bids for at once.")] = 2.0,
    budget_cents: Annotated[
        float | None, typer.Option(help="What it spends in all. (otherwise need x cap)")
    ] = None,
    pause_s: Annotated[float, typer.Option(help="Between two rounds, about.")] = 2.0,
    rounds: Annotated[int | None, typer.Option(help="So many at most.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Keeps what is about to be confirmed, to ask after it once restarted."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of its chance.")] = 1,
    group: McGroup = GROUP,
    group_port: McPort = 8888,
    interface: Interface = "",
    no_discovery: Hidden = False,
    as_json: AsJson = False,
) -> None:
    """Bid for what batteries have, until there is enough or nothing left to pay with.

    Batteries are found in a multicast group, or called at the addresses that
    are given. Each round asks all of them, and bids to the cheapest first.
    At the end it prints what it bought, and at which price.

    \b
    Examples:
      wattbay etp aggregator 201 --plain --strategy aggressive --cap-cents 28
      wattbay etp aggregator 201 --keys aggregator.toml --battery 101@192.0.2.7:8101
    """
    from wattbay.adapters.etp.datagrams import Group
    from wattbay.cli.etp_options import PAUSE_MAX_S, no_device, not_of, out_of, refuse
    from wattbay.cli.etp_run import AMOUNT_MAX, Bidding, addresses, bid, guards, nobody, plan_of

    refuse(
        no_device(device), out_of("--pause-s", pause_s, 0, PAUSE_MAX_S),
        out_of("--rounds", rounds, 1, AMOUNT_MAX),
        nobody(is_looking=not no_discovery, named=battery or []),
    )  # fmt: skip
    plan = plan_of(
        device, strategy=strategy, cap_cents=cap_cents, need_kwh=need_kwh, lot_kwh=lot_kwh,
        budget_cents=budget_cents,
    )  # fmt: skip
    known = guards(keys, plain=plain)
    refuse(not_of(device, known))
    bidding = Bidding(
        plan, seed, (0.5 * pause_s, 1.5 * pause_s), addresses(battery or []),
        None if no_discovery else Group(group, group_port, interface), folder, rounds,
        as_json=as_json,
    )  # fmt: skip
    raise typer.Exit(bid(known, bidding))


def gateway(  # noqa: PLR0913, PLR0917 - one parameter an option
    fleet: FleetFile = None,
    keys: Annotated[
        Path | None,
        typer.Option(help="A folder of files of keys, DEVICE.toml for each battery."),
    ] = None,
    plain: Plain = False,
    bidders: Annotated[
        bool,
        typer.Option("--bidders", help="Let the fleet's own aggregators bid, with keys drawn."),
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where its journal is kept.")] = Path("etp-gateway"),
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Of the WebSocket.")] = 8080,
    battery_port: Annotated[
        int, typer.Option(help="TCP port of the first battery, the others follow; 0: any free.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Serve a fleet of batteries, and tell of their auctions on a WebSocket.

    Whoever connects to ws://HOST:PORT/ws is told how everybody is, and then
    every event as it happens: an object a message, whose one key is the
    event's name, and whose field `entry` is the entry of the journal on
    which it rests.

    \b
    Examples:
      wattbay etp gateway --bidders
      wattbay etp gateway --fleet fleet.toml --keys keys --host 192.0.2.7
    """
    from wattbay.assembly.etp import Where
    from wattbay.cli.etp_options import excluded, no_port, refuse
    from wattbay.cli.etp_run import Serving, fleet_keys, serve, serve_all
    from wattbay.simulation.etp_fleet import DEFAULT, read_fleet

    known = read_fleet(fleet or DEFAULT)
    refuse(
        no_port("--port", port), no_port("--battery-port", battery_port, len(known.batteries)),
        excluded("--keys", "--bidders", is_given=bidders and keys is not None),
        excluded("--plain", "--bidders", is_given=bidders and plain),
    )  # fmt: skip
    ports = tuple(battery_port + place for place in range(len(known.batteries)))
    where = Where(host, ports if battery_port else (), port)
    serving = Serving(folder, where, as_json=as_json)
    if bidders:
        raise typer.Exit(serve_all(known, serving))
    raise typer.Exit(serve(known, fleet_keys(known, keys, plain=plain), serving))
