"""What a device usually does: its power by time of day, and its energy a day, learned as it goes.

Notes
-----
Power is compared on a logarithmic scale, `log(power + floor)`, on which a household's half-hours
are nearly symmetric. Mean and variance are exponentially weighted [1]_, one pair for each step of
the day and one for whole days; a value counts for at most `CLIP` deviations when it is learned, so
that a fault is not taken for a habit at once, and a new habit is, in time. What is told as odd is
far out on that scale *and* against the largest that was ever seen, which fades away slowly.

References
----------
.. [1] T. Finch, "Incremental calculation of weighted mean and variance," University of Cambridge,
   2009.
"""

from __future__ import annotations

from math import exp, log, sqrt

import msgspec

LEARN_DAYS = 14
"""Nothing is called odd before it was seen so often. [days]"""
MEMORY_DAYS = 28
"""About so long back the mean looks. [days]"""
CLIP = 4.0
"""[deviations]"""
FLOOR_W = 50.0
"""Below this, differences mean little. [W]"""
FLOOR_OF_PEAK = 0.1
"""For what is made: the same, as a part of the peak; dawn comes earlier every day in spring."""
DEVIATION_MIN = 0.25
DAY_DEVIATION_MIN = 0.15
"""Nobody is held to be more regular than that. [of the logarithm]"""
STEP_HIGH, STEP_LOW = 7.0, 8.0
DAY_HIGH, DAY_LOW = 4.5, 4.5
"""How far is odd. [deviations]"""
PEAK_TIMES = 1.5
"""So many times the peak is odd. [ratio]"""
PEAK_FADES = 0.99
"""What is left of a peak after a day."""
DAY_FILLED = 0.9
"""So much of a day must have been seen to compare it."""


class Pattern(msgspec.Struct, kw_only=True):
    """The habits of one register."""

    means: list[float]
    """Of the logarithm, by step of the day."""
    variances: list[float]
    days: list[int]
    """How often each step was seen."""
    is_weather: bool = False
    """Whether steps are not compared, for they depend on clouds: peak and days are."""
    peak_w: float = 0.0
    day: int = -1
    """Number of the day that is being summed up."""
    day_sum_w: float = 0.0
    day_steps: int = 0
    day_mean: float = 0.0
    day_variance: float = 0.0
    days_seen: int = 0


def new_pattern(steps: int, *, is_weather: bool = False) -> Pattern:
    """Return the habits of a register of which nothing is known, so many steps a day."""
    return Pattern(
        means=[0.0] * steps,
        variances=[0.0] * steps,
        days=[0] * steps,
        is_weather=is_weather,
    )


def learn(pattern: Pattern, day: int, step: int, power_w: float) -> str:
    """Learn what was drawn or made in a step; tell what is odd about it, or nothing.

    Parameters
    ----------
    day, step
        Number of the day, and of the step within it.
    power_w
        Mean power of the register; not negative. [W]

    Returns
    -------
    str
        A clause with figures, such as ``9100 W, usually 310 W at this time``.
    """
    odd = ""
    if day != pattern.day:
        odd = _day(pattern, day)
    pattern.day_sum_w += power_w
    pattern.day_steps += 1
    peak_w = pattern.peak_w
    if power_w > peak_w:
        if pattern.days_seen >= LEARN_DAYS and power_w > PEAK_TIMES * peak_w + 2 * FLOOR_W:
            odd = odd or f"{power_w:.0f} W, never above {peak_w:.0f} W in the last months"
            power_w = min(power_w, 2 * PEAK_TIMES * peak_w + 2 * FLOOR_W)
        pattern.peak_w = power_w
    if pattern.is_weather:
        return odd
    value = log(power_w + FLOOR_W)
    seen = pattern.days[step]
    mean, variance = pattern.means[step], pattern.variances[step]
    off = value - mean
    if seen >= LEARN_DAYS:
        weight = 1 / MEMORY_DAYS
        deviation = sqrt(variance) if variance > DEVIATION_MIN**2 else DEVIATION_MIN
        if off > CLIP * deviation:
            if off > STEP_HIGH * deviation:
                odd = odd or _usually(power_w, mean)
            off = CLIP * deviation
        elif off < -CLIP * deviation:
            if off < -STEP_LOW * deviation:
                odd = odd or _usually(power_w, mean)
            off = -CLIP * deviation
    else:
        pattern.days[step] = seen + 1
        weight = 1 / (seen + 1)
    pattern.means[step] = mean + weight * off
    pattern.variances[step] = (1 - weight) * (variance + weight * off * off)
    return odd


def _usually(power_w: float, mean: float) -> str:
    usual_w = exp(mean) - FLOOR_W
    return f"{power_w:.0f} W, usually {max(usual_w, 0.0):.0f} W at this time of day"


def _day(pattern: Pattern, day: int) -> str:
    """End a day: compare it with earlier ones, and learn it."""
    steps, total_w = pattern.day_steps, pattern.day_sum_w
    was_whole = pattern.day >= 0 and steps >= DAY_FILLED * len(pattern.means)
    pattern.day, pattern.day_sum_w, pattern.day_steps = day, 0.0, 0
    pattern.peak_w *= PEAK_FADES
    if not was_whole:
        return ""
    mean_w = total_w / steps
    value = log(mean_w + FLOOR_W)
    mean, variance = pattern.day_mean, pattern.day_variance
    off = value - mean
    odd = ""
    weight = 1 / min(pattern.days_seen + 1, LEARN_DAYS)
    if pattern.days_seen >= LEARN_DAYS:
        deviation = max(sqrt(variance), DAY_DEVIATION_MIN)
        if not -DAY_LOW * deviation <= off <= DAY_HIGH * deviation:
            usual_wh = 24 * max(exp(mean) - FLOOR_W, 0.0)
            odd = f"{24 * mean_w:.0f} Wh in a day, usually {usual_wh:.0f} Wh"
        off = max(-CLIP * deviation, min(CLIP * deviation, off))
    pattern.days_seen += 1
    pattern.day_mean = mean + weight * off
    pattern.day_variance = (1 - weight) * (variance + weight * off * off)
    return odd
