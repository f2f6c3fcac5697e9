"""Parties, pods, tariffs and products: who may do what, since when.

Facts are dated: what held when a delivery took place holds for it for ever, whatever came later.
"""

from __future__ import annotations

from bisect import bisect_right

from msgspec import Struct, field

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core import monthly
from wattbay.core.events import Rejected
from wattbay.core.facts import (
    Device,
    FormerKey,
    Mechanism,
    Meter,
    Party,
    PodFacts,
    Product,
    Role,
    SettlementRun,
    Tariff,
)
from wattbay.core.products import trading_fault
from wattbay.core.reasons import Reason
from wattbay.errors import InvariantBroken
from wattbay.ids import (
    CommunityId,
    MeterId,
    PartyId,
    PodId,
    ProductId,
    ProfileId,
    TariffId,
    ZoneId,
    is_id,
)
from wattbay.periods import Instant
from wattbay.units import PPM, SAFE_INTEGER_MAX

PARTIES_MAX = 100_000
PODS_MAX = 100_000
TARIFFS_MAX = 10_000
PROFILES_MAX = 1_000
PRODUCTS_MAX = 100
FACTS_PER_POD_MAX = 1_000
RUNS_MAX = 10
MINOR_DIGITS_MAX = 9
KEY_BYTES = (32, 33)
"""Of a public key: Ed25519, P-256."""
REGISTER_DIGITS_MAX = 15
RESERVED = frozenset({"grid", "pool", "activated"})
"""No pod bears these names: they are those of other energy accounts."""
CURRENCY_LETTERS = 3
EVERYWHERE = ZoneId("")
"""Stands for all zones where published prices are the same in each; no zone bears this name."""


class Community(Struct, frozen=True):
    """What a community is founded on."""

    community: CommunityId
    currency: str
    minor_digits: int
    isp_us: int
    runs: tuple[SettlementRun, ...]


class Registry(Struct):
    """Everything that is registered."""

    community: Community | None = None
    parties: dict[PartyId, Party] = field(default_factory=dict)
    tariffs: dict[TariffId, Tariff] = field(default_factory=dict)
    prices: dict[Instant, dict[TariffId, dict[ZoneId, Tariff]]] = field(default_factory=dict)
    """Tariffs as they hold in deliveries that prices were published of, by delivery in order of
    publication, then tariff and zone; `EVERYWHERE` where the zone does not matter."""
    priced: int = 0
    """How many tariffs stand in `prices`."""
    prices_since: Instant = Instant(-SAFE_INTEGER_MAX)
    """Of deliveries before this, published prices may have been forgotten."""
    profiles: dict[ProfileId, tuple[int, ...]] = field(default_factory=dict)
    pods: dict[PodId, list[PodFacts]] = field(default_factory=dict)
    """Facts of each pod, earliest first."""
    products: dict[ProductId, Product] = field(default_factory=dict)
    grid_operators: int = 0
    """How many parties have that role: whether anybody checks the network."""
    devices: dict[MeterId, Device] = field(default_factory=dict)
    """Those that are no meters."""
    keys: dict[MeterId, bytes] = field(default_factory=dict)
    """Of devices and meters that sign with another key than their first."""
    former_keys: dict[MeterId, FormerKey] = field(default_factory=dict)
    """With which they signed before: what waits to be sent bears it."""
    revoked: dict[MeterId, str] = field(default_factory=dict)
    """Devices and meters that are believed nothing more, and why."""
    left: dict[PodId, Instant] = field(default_factory=dict)
    """Since when pods that left have no part any more."""

    @property
    def isp_us(self) -> int:
        """Length of every delivery. [µs]"""
        return 0 if self.community is None else self.community.isp_us


def facts_at(registry: Registry, pod: PodId, at: Instant) -> PodFacts | None:
    """Return what holds of a pod at an instant; None before it was connected or once it left."""
    history = registry.pods.get(pod)
    if history is None or (registry.left and at >= registry.left.get(pod, at + 1)):
        return None
    if len(history) == 1:
        first = history[0]
        return first if first.since <= at else None
    place = bisect_right(history, at, key=lambda facts: facts.since)
    return history[place - 1] if place else None


def facts_then(registry: Registry, pod: PodId, at: Instant) -> PodFacts:
    """Return what holds at an instant of a pod that is known to be connected by then.

    Raises
    ------
    InvariantBroken
        If it is not.
    """
    history = registry.pods.get(pod, ())
    if len(history) == 1 and history[0].since <= at:  # Nearly always, and asked most of all.
        return history[0]
    facts = facts_at(registry, pod, at)
    if facts is None:
        raise InvariantBroken(f"pod {pod} is connected at {at}")
    return facts


def has_role(registry: Registry, party: PartyId, role: Role) -> bool:
    """Tell whether a party is registered with a role."""
    known = registry.parties.get(party)
    return known is not None and role in known.roles


def tariff_at(registry: Registry, facts: PodFacts, delivery: Instant) -> Tariff:
    """Return the tariff of a pod as it holds in a delivery.

    With the prices that were published of it; where none were, those of the tariff itself.
    """
    priced = registry.prices.get(delivery)
    by_zone = None if priced is None else priced.get(facts.tariff)
    found = None if by_zone is None else by_zone.get(facts.zone, by_zone.get(EVERYWHERE))
    return registry.tariffs[facts.tariff] if found is None else found


def tax_ppm(tariff: Tariff, at: Instant) -> int:
    """Return the rate of tax that holds at an instant. [ppm]"""
    rate = 0
    for step in tariff.tax:
        if step.since <= at:
            rate = step.ppm
    return rate


def pool_price(registry: Registry, product: Product, at: Instant) -> int:
    """Return the price at which longs and shorts of the community net. [nano-currency per Wh]

    Where the product names none: the middle between the lowest retail energy component and the
    highest export price among the pods' tariffs, rounded down to the tick. All are those that hold
    in the delivery that starts at the instant.
    """
    if product.pool_price is not None:
        return product.pool_price
    tariffs = _tariffs_in_use(registry, at)
    if not tariffs:
        return 0
    low = min(tariff.energy for tariff in tariffs)
    high = max(tariff.export for tariff in tariffs)
    tick = product.price_tick
    return (low + high) // (2 * tick) * tick  # divides: the middle, rounded down to the tick


def _tariffs_in_use(registry: Registry, at: Instant) -> list[Tariff]:
    """Return the tariffs of all pods as they hold in a delivery, each once."""
    if at not in registry.prices:  # Nearly always, and asked in every run.
        in_use = {
            facts.tariff
            for pod in registry.pods
            if (facts := facts_at(registry, pod, at)) is not None
        }
        return [registry.tariffs[name] for name in sorted(in_use)]
    dated = (facts_at(registry, pod, at) for pod in registry.pods)
    priced = {(facts.tariff, facts.zone): facts for facts in dated if facts is not None}
    return [tariff_at(registry, priced[one], at) for one in sorted(priced)]


# --- decisions -------------------------------------------------------------------------------


def refuse(reason: Reason, detail: str = "") -> list[e.Event]:
    """Return the one event of a refusal."""
    return [Rejected(reason=reason, detail=detail)]


def open_community(registry: Registry, command: c.OpenCommunity) -> list[e.Event]:
    """Found the community, once."""
    if registry.community is not None:
        return refuse(Reason.COMMUNITY_OPEN, f"this is {registry.community.community}")
    if not is_id(command.community):
        return refuse(Reason.BAD_ID, f"community {command.community!r}")
    if len(command.currency) != CURRENCY_LETTERS or not (
        command.currency.isascii() and command.currency.isalpha() and command.currency.isupper()
    ):
        return refuse(Reason.BAD_VALUE, "a currency is three capital letters (ISO 4217)")
    if command.isp_us <= 0 or not 0 <= command.minor_digits <= MINOR_DIGITS_MAX:
        return refuse(Reason.BAD_VALUE, "isp_us is positive, minor_digits 0 to 9")
    delays = [run.after_us for run in command.runs]
    names = {run.name for run in command.runs}
    if not 1 <= len(delays) <= RUNS_MAX or len(names) < len(delays):
        return refuse(Reason.BAD_VALUE, f"1 to {RUNS_MAX} runs, each with its own name")
    if delays != sorted(set(delays)) or delays[0] < 0:
        return refuse(Reason.BAD_VALUE, "runs come by date, none before the delivery ends")
    return [
        e.CommunityOpened(
            community=command.community,
            currency=command.currency,
            minor_digits=command.minor_digits,
            isp_us=command.isp_us,
            runs=command.runs,
        )
    ]


def register_party(registry: Registry, command: c.RegisterParty, at: Instant) -> list[e.Event]:
    """Admit a party or change what is known of it; whether its past sales bore tax stays so."""
    party = command.party
    if not is_id(party.party):
        return refuse(Reason.BAD_ID, f"party {party.party!r}")
    if not 0 <= party.credit_limit_nano <= SAFE_INTEGER_MAX:
        return refuse(Reason.OUT_OF_RANGE, "credit_limit_nano is 0 to 2^53 - 1")
    known = registry.parties.get(party.party)
    if known is None and len(registry.parties) >= PARTIES_MAX:
        return refuse(Reason.TOO_MANY, f"{PARTIES_MAX} parties are the most")
    if known is not None and known.tax_from != party.tax_from:
        dates = [date for date in (known.tax_from, party.tax_from) if date is not None]
        if min(dates) < at:
            return refuse(Reason.NOT_IN_SEQUENCE, "sales bear tax, or not, from now on or later")
    return [e.PartyRegistered(party=party)]


def define_tariff(registry: Registry, command: c.DefineTariff) -> list[e.Event]:
    """Publish a tariff; one that is published never changes."""
    tariff = command.tariff
    if not is_id(tariff.tariff):
        return refuse(Reason.BAD_ID, f"tariff {tariff.tariff!r}")
    if tariff.tariff in registry.tariffs:
        return refuse(Reason.ALREADY_KNOWN, f"tariff {tariff.tariff}; publish another one")
    if len(registry.tariffs) >= TARIFFS_MAX:
        return refuse(Reason.TOO_MANY, f"{TARIFFS_MAX} tariffs are the most")
    dates = [step.since for step in tariff.tax]
    if dates != sorted(set(dates)):
        return refuse(Reason.BAD_VALUE, "tax rates come by date")
    if any(not 0 <= step.ppm <= PPM for step in tariff.tax):
        return refuse(Reason.OUT_OF_RANGE, "a tax rate is 0 to 1,000,000 ppm")
    wrong = None if tariff.monthly is None else monthly.fault(tariff.monthly)
    return refuse(Reason.BAD_VALUE, wrong) if wrong else [e.TariffDefined(tariff=tariff)]


def define_profile(registry: Registry, command: c.DefineProfile) -> list[e.Event]:
    """Publish a profile."""
    if not is_id(command.profile):
        return refuse(Reason.BAD_ID, f"profile {command.profile!r}")
    if command.profile in registry.profiles:
        return refuse(Reason.ALREADY_KNOWN, f"profile {command.profile}; publish another one")
    if len(registry.profiles) >= PROFILES_MAX:
        return refuse(Reason.TOO_MANY, f"{PROFILES_MAX} profiles are the most")
    if not command.weights or min(command.weights) < 0 or sum(command.weights) == 0:
        return refuse(Reason.BAD_VALUE, "weights are not negative and not all zero")
    return [e.ProfileDefined(profile=command.profile, weights=command.weights)]


def define_product(registry: Registry, command: c.DefineProduct) -> list[e.Event]:
    """Offer a product."""
    product = command.product
    if not is_id(product.product):
        return refuse(Reason.BAD_ID, f"product {product.product!r}")
    if product.product in registry.products:
        return refuse(Reason.ALREADY_KNOWN, f"product {product.product}; define another one")
    if len(registry.products) >= PRODUCTS_MAX:
        return refuse(Reason.TOO_MANY, f"{PRODUCTS_MAX} products are the most")
    if product.price_tick <= 0 or product.energy_tick <= 0 or product.orders_per_pod_max <= 0:
        return refuse(Reason.BAD_VALUE, "ticks and orders_per_pod_max are positive")
    if product.price_min > product.price_max or product.quantity_max_wh <= 0:
        return refuse(Reason.BAD_VALUE, "price_min <= price_max, quantity_max_wh > 0")
    if product.opens_before_us <= product.closes_before_us or product.network_check_us < 0:
        return refuse(
            Reason.BAD_VALUE, "the gate opens before it closes; the check is not negative"
        )
    if (product.reference or 0) % product.price_tick or product.network_fee % product.price_tick:
        return refuse(Reason.OFF_TICK, "reference and network_fee are multiples of price_tick")
    if product.network_fee < 0:
        return refuse(Reason.BAD_VALUE, "a network fee is not negative")
    fault = _rule_fault(product)
    if fault is not None:
        return fault
    wrong = trading_fault(product)
    if wrong is not None:
        return refuse(Reason.BAD_VALUE, wrong)
    first = registry.community.runs[0].after_us if registry.community is not None else 0
    checked_us = product.network_check_us + product.clearing_us
    if checked_us - product.closes_before_us > registry.isp_us + first:
        return refuse(Reason.BAD_VALUE, "a delivery is cleared before its first settlement run")
    middle = product.price_max if product.reference is None else product.reference
    if not product.price_min <= middle <= product.price_max:
        return refuse(Reason.PRICE_LIMIT, "reference is price_min to price_max")
    fee = max((one.nano_per_wh for one in product.network_fees), default=product.network_fee)
    worst = product.quantity_max_wh * (max(abs(product.price_min), abs(product.price_max)) + fee)
    if worst > SAFE_INTEGER_MAX:
        return refuse(Reason.OUT_OF_RANGE, "quantity_max_wh x price and fee stays below 2^53")
    return [e.ProductDefined(product=product)]


def _rule_fault(product: Product) -> list[e.Event] | None:
    """Refuse a rule where the core clears itself, and none where somebody else does."""
    is_submitted = product.mechanism is Mechanism.SUBMITTED
    if product.mechanism in (Mechanism.SUBMITTED, Mechanism.COMMUNITY):
        if not is_id(product.rule):
            return refuse(Reason.BAD_ID, f"rule {product.rule!r}: such a product names its rule")
    elif product.rule:
        return refuse(Reason.BAD_VALUE, "only submitted and community products name a rule")
    if (product.clearing_us > 0) != is_submitted or product.clearing_us < 0:
        what = "clearing_us is positive where results are submitted, and 0 elsewhere"
        return refuse(Reason.BAD_VALUE, what)
    return None


def check_facts(registry: Registry, facts: PodFacts) -> list[e.Event] | None:
    """Refuse facts that name what is not registered; None where all is well."""
    if facts.since % registry.isp_us:
        return refuse(Reason.BAD_VALUE, "facts change at a delivery boundary")
    for party in (facts.party, facts.supplier, facts.brp):
        if party not in registry.parties:
            return refuse(Reason.UNKNOWN_PARTY, f"party {party}")
    if not is_id(facts.zone):
        return refuse(Reason.BAD_ID, f"zone {facts.zone!r}")
    if facts.tariff not in registry.tariffs:
        return refuse(Reason.UNKNOWN_TARIFF, f"tariff {facts.tariff}")
    for profile in (facts.import_profile, facts.export_profile):
        if profile is not None and profile not in registry.profiles:
            return refuse(Reason.UNKNOWN_PROFILE, f"profile {profile}")
    if not 0 <= facts.yearly_import_wh <= SAFE_INTEGER_MAX:
        return refuse(Reason.OUT_OF_RANGE, "yearly_import_wh is 0 to 2^53 - 1")
    if not 0 <= facts.yearly_export_wh <= SAFE_INTEGER_MAX:
        return refuse(Reason.OUT_OF_RANGE, "yearly_export_wh is 0 to 2^53 - 1")
    return None


def check_meter(meter: Meter) -> list[e.Event] | None:
    """Refuse a meter that cannot be read; None where all is well."""
    if not is_id(meter.meter):
        return refuse(Reason.BAD_ID, f"meter {meter.meter!r}")
    if len(meter.key) not in KEY_BYTES:
        return refuse(Reason.BAD_VALUE, "a public key has 32 bytes (Ed25519) or 33 (P-256)")
    if not 1 <= meter.digits <= REGISTER_DIGITS_MAX or meter.unit_wh <= 0 or meter.power_max_w <= 0:
        return refuse(Reason.BAD_VALUE, "digits 1 to 15, unit_wh and power_max_w positive")
    width = 10**meter.digits
    if not (0 <= meter.import_register < width and 0 <= meter.export_register < width):
        return refuse(Reason.OUT_OF_RANGE, f"registers of {meter.digits} digits")
    return None


def register_pod(registry: Registry, command: c.RegisterPod) -> list[e.Event]:
    """Connect a pod. Whether its meter is new is for `metering` to say."""
    facts = command.facts
    if not is_id(facts.pod) or facts.pod in RESERVED:
        return refuse(Reason.BAD_ID, f"pod {facts.pod!r}")
    if facts.pod in registry.pods:
        return refuse(Reason.ALREADY_KNOWN, f"pod {facts.pod}; change its facts")
    if len(registry.pods) >= PODS_MAX:
        return refuse(Reason.TOO_MANY, f"{PODS_MAX} pods are the most")
    fault = check_facts(registry, facts) or check_meter(command.meter)
    return fault or [e.PodRegistered(facts=facts, meter=command.meter)]


def change_pod(
    registry: Registry, command: c.ChangePod, at: Instant, listed_until: Instant
) -> list[e.Event]:
    """Let other facts hold from an instant on for which nothing is listed yet.

    So whoever ordered for a delivery is whoever settles it.
    """
    facts = command.facts
    history = registry.pods.get(facts.pod)
    if history is None:
        return refuse(Reason.UNKNOWN_POD, f"pod {facts.pod}")
    if facts.pod in registry.left:
        return refuse(Reason.NOT_ALLOWED, f"pod {facts.pod} left; register another")
    if len(history) >= FACTS_PER_POD_MAX:
        return refuse(Reason.TOO_MANY, f"{FACTS_PER_POD_MAX} changes of a pod are the most")
    if facts.since <= history[-1].since or facts.since < max(at, listed_until):
        return refuse(Reason.NOT_IN_SEQUENCE, "facts hold from when nothing is listed yet")
    return check_facts(registry, facts) or [e.PodChanged(facts=facts)]


# --- changes ---------------------------------------------------------------------------------


def apply(registry: Registry, event: e.Event) -> None:
    """Take up what was registered; other events pass by."""
    match event:
        case e.CommunityOpened():
            registry.community = Community(
                event.community, event.currency, event.minor_digits, event.isp_us, event.runs
            )
        case e.PartyRegistered():
            before = registry.parties.get(event.party.party)
            was = before is not None and Role.GRID_OPERATOR in before.roles
            registry.grid_operators += (Role.GRID_OPERATOR in event.party.roles) - was
            registry.parties[event.party.party] = event.party
        case e.TariffDefined():
            registry.tariffs[event.tariff.tariff] = event.tariff
        case e.ProfileDefined():
            registry.profiles[event.profile] = event.weights
        case e.ProductDefined():
            registry.products[event.product.product] = event.product
        case e.PodRegistered():
            registry.pods[event.facts.pod] = [event.facts]
        case e.PodChanged():
            registry.pods[event.facts.pod].append(event.facts)
        case _:
            pass
