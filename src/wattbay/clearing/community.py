"""Community prices: who owes what for a period without orders, after the fact.

A community buys what it lacks from its supplier at the retail price and gives what it has over at
the export price. Each rule here divides that one bill among the pods, by energy alone. Prices are
exact fractions; what a pod owes is a whole number, and all of them sum to the community's bill.

References
----------
.. [1] C. Long, J. Wu, C. Zhang, L. Thomas, M. Cheng and N. Jenkins, "Peer-to-peer energy trading
       in a community microgrid," *IEEE PES General Meeting*, 2017 (mid-market rate, bill sharing).
.. [2] N. Liu, X. Yu, C. Wang, C. Li, L. Ma and J. Lei, "Energy-sharing model with price-based
       demand response for microgrids of peer-to-peer prosumers," *IEEE Transactions on Power
       Systems*, vol. 32, no. 5, pp. 3569-3583, 2017 (supply-demand ratio).
.. [3] Y. Zhou, J. Wu and C. Long, "Evaluation of peer-to-peer energy sharing mechanisms based on a
       multiagent simulation framework," *Applied Energy*, vol. 222, pp. 993-1022, 2018.
.. [4] S. Bogensperger et al., "Comparison of pricing mechanisms in peer-to-peer energy
       communities," *IEWT*, 2021 (mid-market rate by net positions; bill sharing).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple


class Basis(StrEnum):
    """What of a pod's energy a rule prices."""

    GROSS = "gross"
    """All that it consumed and all that it generated, as in [1]_."""
    NET = "net"
    """The larger less the smaller: what crossed its meter in the period, as in [4]_."""


class Tariff(NamedTuple):
    """What the supplier charges and pays the community. [nano-currency/Wh]"""

    retail: int
    export: int


class Energies(NamedTuple):
    """What each pod did in a period, none below zero. Shape of both columns: (n_pods,)."""

    consumed: Sequence[int]
    """Gross demand or, where only the meter is known, import. [Wh]"""
    generated: Sequence[int]
    """Gross generation or, where only the meter is known, export. [Wh]"""


class Prices(NamedTuple):
    """What a pod pays and gets a unit, exactly; None where nobody does. [nano-currency/Wh]"""

    buy: Fraction | None
    sell: Fraction | None


class Settled(NamedTuple):
    """What a community owes its supplier, and each pod of it."""

    prices: Prices
    owed: list[int]
    """By pod: what it pays; below zero what it gets. Sums to `bill`. [nano-currency]"""
    bill: int
    """What the community pays its supplier; below zero what it gets. [nano-currency]"""


def mid_market(energies: Energies, tariff: Tariff, basis: Basis) -> Settled:
    r"""Settle a period at the middle of retail and export price; who is long or short bears it.

    Raises
    ------
    ValueError
        If an energy is negative.

    Notes
    -----
    With demand :math:`D`, generation :math:`G` and :math:`m = (\lambda_r + \lambda_e) / 2`:
    buyers pay :math:`m` where :math:`G \ge D`, else
    :math:`(G m + (D - G) \lambda_r) / D`; sellers get :math:`m` where :math:`G \le D`, else
    :math:`(D m + (G - D) \lambda_e) / G` ([1]_; [3]_ A25-A27). :math:`D` and :math:`G` are gross
    sums, or sums of net positions, by `basis`: the literature has both.
    """
    energies = _on(basis, energies)
    demand, generation = sum(energies.consumed), sum(energies.generated)
    middle = Fraction(tariff.retail + tariff.export, 2)
    buy = sell = middle
    if demand > generation:
        buy = (generation * middle + (demand - generation) * tariff.retail) / demand
    elif generation > demand:
        sell = (demand * middle + (generation - demand) * tariff.export) / generation
    return _settled(Prices(buy, sell), [energies], [tariff])


def supply_demand_ratio(energies: Energies, tariff: Tariff) -> Settled:
    """Settle a period at prices that fall as supply rises against demand, by net positions.

    Raises
    ------
    ValueError
        If an energy is negative, or the export price is below zero or above retail.
    """
    energies = _on(Basis.NET, energies)
    supply, demand = sum(energies.generated), sum(energies.consumed)
    prices = ratio_prices(supply, demand, tariff)
    return _settled(prices, [energies], [tariff])


def ratio_prices(supply: int, demand: int, tariff: Tariff) -> Prices:
    r"""Return the prices of the supply-demand ratio.

    Parameters
    ----------
    supply, demand
        Sums of net positions, not negative. [Wh]

    Raises
    ------
    ValueError
        If the export price is below zero or above retail: there the formula has no meaning.

    Notes
    -----
    With :math:`R = S / D \le 1` ([2]_ eq. 7-10; [3]_ A19-A23):

    .. math:: p_s = \frac{\lambda_e \lambda_r}{(\lambda_r - \lambda_e) R + \lambda_e}
              \qquad p_b = p_s R + \lambda_r (1 - R)

    so :math:`p_s = \lambda_r` at :math:`R = 0`. With :math:`R > 1` both are
    :math:`\lambda_e`, and so they are without demand.
    """
    retail, export = tariff
    if not 0 <= export <= retail:
        msg = f"the supply-demand ratio needs 0 <= export <= retail; got {export} and {retail}"
        raise ValueError(msg)
    if supply > demand or demand == 0:
        return Prices(Fraction(export), Fraction(export))
    if supply == 0:
        return Prices(Fraction(retail), Fraction(retail))
    # Both sides of the fraction times the demand, so that all is whole until it is divided.
    weight = (retail - export) * supply + export * demand
    sell = Fraction(export * retail * demand, weight) if weight else Fraction(0)
    return Prices((sell * supply + retail * (demand - supply)) / demand, sell)


def bill_sharing(periods: Sequence[Energies], tariffs: Sequence[Tariff]) -> Settled:
    r"""Settle several periods at one price to buy and one to sell, by net positions.

    Parameters
    ----------
    periods
        At least one, all of the same pods.
    tariffs
        One a period. Shape: that of `periods`.

    Raises
    ------
    ValueError
        If an energy is negative.

    Notes
    -----
    With net positions :math:`n_{it}` (demand above zero) and :math:`N_t = \sum_i n_{it}`
    ([3]_ A28; [4]_ eq. 6-7):

    .. math:: p_b = \frac{\sum_t \lambda_{r,t} \max(0, N_t)}{\sum_{it} \max(0, n_{it})}
              \qquad
              p_s = \frac{\sum_t \lambda_{e,t} \max(0, -N_t)}{\sum_{it} \max(0, -n_{it})}

    The sources have constant :math:`\lambda`; the sum over periods is the same rule for prices
    that change.
    """
    nets = [_on(Basis.NET, energies) for energies in periods]
    paid, gained = 0, 0
    for energies, tariff in zip(nets, tariffs, strict=True):
        short = sum(energies.consumed) - sum(energies.generated)
        paid += tariff.retail * max(short, 0)
        gained += tariff.export * max(-short, 0)
    bought = sum(sum(energies.consumed) for energies in nets)
    sold = sum(sum(energies.generated) for energies in nets)
    prices = Prices(
        Fraction(paid, bought) if bought else None, Fraction(gained, sold) if sold else None
    )
    return _settled(prices, nets, tariffs)


def _on(basis: Basis, energies: Energies) -> Energies:
    """Return energies as a rule takes them, once they are found to be sound."""
    pairs = list(zip(energies.consumed, energies.generated, strict=True))
    if any(consumed < 0 or generated < 0 for consumed, generated in pairs):
        msg = "energies of a community are not negative, in either column"
        raise ValueError(msg)
    if basis is Basis.GROSS:
        return energies
    return Energies(
        [max(consumed - generated, 0) for consumed, generated in pairs],
        [max(generated - consumed, 0) for consumed, generated in pairs],
    )


def _settled(prices: Prices, periods: Sequence[Energies], tariffs: Sequence[Tariff]) -> Settled:
    """Say what each pod owes: its energies at the prices, in whole numbers that sum to the bill."""
    pods = len(periods[0].consumed) if periods else 0
    consumed, generated = [0] * pods, [0] * pods
    bill = 0
    for energies, tariff in zip(periods, tariffs, strict=True):
        consumed = [a + b for a, b in zip(consumed, energies.consumed, strict=True)]
        generated = [a + b for a, b in zip(generated, energies.generated, strict=True)]
        short = sum(energies.consumed) - sum(energies.generated)
        bill += (tariff.retail if short > 0 else tariff.export) * short
    # Where nobody buys or nobody sells there is no price, and no energy to bear one.
    buy = Fraction(0) if prices.buy is None else prices.buy
    sell = Fraction(0) if prices.sell is None else prices.sell
    exact = [a * buy - b * sell for a, b in zip(consumed, generated, strict=True)]
    return Settled(prices, rounded(exact, bill), bill)


def rounded(amounts: Sequence[Fraction], total: int) -> list[int]:
    """Round amounts that sum to `total` to whole numbers that do, too.

    Each is rounded down (towards minus infinity); what is left goes one by one to the largest
    fractions, ties to the earlier: the largest remainder, for amounts of either sign. So none is
    off by a whole unit, and no whole amount changes.

    Raises
    ------
    ValueError
        If the amounts do not sum to the total.
    """
    if sum(amounts) != total:
        msg = f"amounts sum to {sum(amounts)}, not to {total}"
        raise ValueError(msg)
    parts = [amount.numerator // amount.denominator for amount in amounts]
    by_fraction = sorted(range(len(parts)), key=lambda i: parts[i] - amounts[i])
    for index in by_fraction[: total - sum(parts)]:
        parts[index] += 1
    return parts
