"""What a device usually does: its power by time of day, and its energy a day, learned as it goes.

Notes
-----
Power is compared on a logarithmic scale, ``log(power + floor)``, on which a household's half-hours
are nearly symmetric. Mean and variance are exponentially weighted [1]_, one pair for each step of
the day and one for whole days. A single odd half-hour is life: somebody bakes at three in the
morning. So deviations are summed up, and only what stays odd is told: Page's cumulative sum [2]_,
``S = max(0, S + z - k)``, told above ``h``, for each direction, over steps and over days; once,
until it is zero again. By itself is told what lies far above the largest that was ever seen, which
fades away slowly.

A deviation counts for at most `CLIP`, in the sums and when it is learned, so that a fault is not
taken for a habit at once, and a new habit is in time.

References
----------
.. [1] T. Finch, "Incremental calculation of weighted mean and variance," University of Cambridge,
   2009.
.. [2] E. S. Page, "Continuous inspection schemes," *Biometrika*, vol. 41, no. 1/2, pp. 100-115,
   1954, doi:10.1093/biomet/41.1-2.100.
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
DEVIATION_MIN = 0.25
DAY_DEVIATION_MIN = 0.2
"""Nobody is held to be more regular than that. [of the logarithm]"""
STEP_BORNE, STEP_SUM_MAX = 2.0, 20.0
DAY_BORNE, DAY_SUM_MAX = 1.0, 5.0
"""What is borne each time, and the sum of what is above that at which it is told. [deviations]"""
PEAK_TIMES = 1.5
"""So many times the peak is odd ..."""
PEAK_SPARE_W = 100.0
"""... and so much more. [W]"""
PEAK_FADES = 0.99
"""What is left of a peak after a day."""
DAY_FILLED = 0.9
"""So much of a day must have been seen to compare it."""


class Pattern(msgspec.Struct, kw_only=True):
    """The habits of one register."""

    means: list[float]
    """Of the logarithm, by step of the day."""
    variances: list[float]
    seen: list[int]
    """How many days each step was learned from."""
    is_weather: bool
    """Whether steps are not compared, for they depend on clouds; days and the peak are."""
    high: float = 0.0
    low: float = 0.0
    """How far steps have been above and below what is usual, summed up. [deviations]"""
    is_told: bool = False
    """Whether that was told, and nothing has been usual since."""
    peak_w: float = 0.0
    day: int = -1
    """Number of the day that is being summed up."""
    day_sum_w: float = 0.0
    day_steps: int = 0
    day_mean: float = 0.0
    day_variance: float = 0.0
    days_seen: int = 0
    day_high: float = 0.0
    day_low: float = 0.0
    """The same sums, over days."""
    is_day_told: bool = False


def new_pattern(steps: int, *, is_weather: bool = False) -> Pattern:
    """Return the habits of a register of which nothing is known, so many steps a day."""
    return Pattern(
        means=[0.0] * steps, variances=[0.0] * steps, seen=[0] * steps, is_weather=is_weather
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
        A clause with figures, such as ``9100 W, never above 3200 W in the last months``.
    """
    odd = _end_day(pattern, day) if day != pattern.day else ""
    pattern.day_sum_w += power_w
    pattern.day_steps += 1
    peak_w = pattern.peak_w
    if power_w > peak_w:
        pattern.peak_w = power_w
        if pattern.days_seen >= LEARN_DAYS and power_w > PEAK_TIMES * peak_w + PEAK_SPARE_W:
            odd = odd or f"{power_w:.0f} W, never above {peak_w:.0f} W in the last months"
    if pattern.is_weather:
        return odd
    seen = pattern.seen[step]
    mean, variance = pattern.means[step], pattern.variances[step]
    off = log(power_w + FLOOR_W) - mean
    if seen >= LEARN_DAYS:
        weight = 1 / MEMORY_DAYS
        deviation = sqrt(variance) if variance > DEVIATION_MIN**2 else DEVIATION_MIN
        most = CLIP * deviation
        off = most if off > most else max(off, -most)
        times = off / deviation
        high = pattern.high = max(pattern.high + times - STEP_BORNE, 0.0)
        low = pattern.low = max(pattern.low - times - STEP_BORNE, 0.0)
        if high > STEP_SUM_MAX or low > STEP_SUM_MAX:
            if not pattern.is_told:
                odd = odd or _usually(power_w, mean, "above" if high > low else "below")
            pattern.is_told = True
            pattern.high, pattern.low = min(high, STEP_SUM_MAX), min(low, STEP_SUM_MAX)
        elif not high and not low:
            pattern.is_told = False
    else:
        pattern.seen[step] = seen + 1
        weight = 1 / (seen + 1)
    pattern.means[step] = mean + weight * off
    pattern.variances[step] = (1 - weight) * (variance + weight * off * off)
    return odd


def _usually(power_w: float, mean: float, side: str) -> str:
    usual_w = max(exp(mean) - FLOOR_W, 0.0)
    words = f"{power_w:.0f} W, usually {usual_w:.0f} W at this time of day"
    return f"{words}; far {side} what is usual for hours"


def _end_day(pattern: Pattern, day: int) -> str:
    """End a day: compare it with earlier ones, and learn it."""
    steps, total_w = pattern.day_steps, pattern.day_sum_w
    is_whole = steps >= DAY_FILLED * len(pattern.means)
    pattern.day, pattern.day_sum_w, pattern.day_steps = day, 0.0, 0
    pattern.peak_w *= PEAK_FADES
    if not is_whole:
        return ""
    mean_w = total_w / steps
    mean, variance = pattern.day_mean, pattern.day_variance
    off = log(mean_w + FLOOR_W) - mean
    odd = ""
    if pattern.days_seen >= LEARN_DAYS:
        weight = 1 / MEMORY_DAYS
        deviation = max(sqrt(variance), DAY_DEVIATION_MIN)
        off = max(-CLIP * deviation, min(CLIP * deviation, off))
        high = max(0.0, pattern.day_high + off / deviation - DAY_BORNE)
        low = max(0.0, pattern.day_low - off / deviation - DAY_BORNE)
        if max(high, low) > DAY_SUM_MAX and not pattern.is_day_told:
            usual_wh = 24 * max(exp(mean) - FLOOR_W, 0.0)
            side = "above" if high > low else "below"
            odd = f"{24 * mean_w:.0f} Wh in a day, usually {usual_wh:.0f} Wh;"
            odd += f" far {side} what is usual for days"
            pattern.is_day_told = True
        elif not high and not low:
            pattern.is_day_told = False
        pattern.day_high, pattern.day_low = min(high, DAY_SUM_MAX), min(low, DAY_SUM_MAX)
    else:
        weight = 1 / (pattern.days_seen + 1)
    pattern.days_seen += 1
    pattern.day_mean = mean + weight * off
    pattern.day_variance = (1 - weight) * (variance + weight * off * off)
    return odd
