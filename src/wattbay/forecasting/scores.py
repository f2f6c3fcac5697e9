"""How good a forecast was: errors of its mean, losses of its quantiles, skill against another.

All scores are negatively oriented (less is better) but for `skill`, and bear the unit of what was
forecast. All arrays may have any shape, as long as they agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def mean_absolute_error(forecast: Array, observed: Array) -> float:
    """Return the mean of |forecast - observed|: MAE."""
    return float(np.abs(forecast - observed).mean())


def root_mean_square_error(forecast: Array, observed: Array) -> float:
    """Return the root of the mean of (forecast - observed)²: RMSE."""
    return float(np.sqrt(((forecast - observed) ** 2).mean()))


def mean_error(forecast: Array, observed: Array) -> float:
    """Return the mean of forecast - observed; positive: too much was forecast."""
    return float((forecast - observed).mean())


def pinball_loss(quantile: Array, observed: Array, level: float) -> float:
    """Return the mean pinball loss of a quantile forecast.

    For an error e = observed - quantile it is level * e where e is positive, (level - 1) * e
    elsewhere; the true quantile of that level makes its expectation least.

    Raises
    ------
    ValueError
        If the level does not lie between 0 and 1.

    References
    ----------
    .. [1] Koenker and Bassett, "Regression quantiles," *Econometrica*, vol. 46, no. 1,
       pp. 33-50, 1978, doi:10.2307/1913643
    """
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1; got {level}")
    error = observed - quantile
    return float(np.maximum(level * error, (level - 1) * error).mean())


def crps(quantiles: Array, observed: Array, levels: Sequence[float]) -> float:
    """Return the continuous ranked probability score, as far as quantiles tell it.

    CRPS = 2 times the integral of the pinball loss over all levels from 0 to 1. Each level here
    stands for the levels that are nearer to it than to another. Of a forecast whose quantiles are
    all the same it is the mean absolute error only where the levels lie evenly about a half.

    Parameters
    ----------
    quantiles
        Shape (n_levels, ...), the rest as `observed`.
    observed
        What was.
    levels
        Rising, between 0 and 1. Shape (n_levels,).

    Raises
    ------
    ValueError
        If levels do not rise, or are not as many as the quantiles.

    References
    ----------
    .. [1] Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation,"
       *Journal of the American Statistical Association*, vol. 102, no. 477, pp. 359-378, 2007,
       doi:10.1198/016214506000001437
    .. [2] Laio and Tamea, "Verification tools for probabilistic forecasts of continuous
       hydrological variables," *Hydrology and Earth System Sciences*, vol. 11, pp. 1267-1277,
       2007, doi:10.5194/hess-11-1267-2007 (the integral over levels)
    """
    at = np.asarray(levels, dtype=np.float64)
    if at.shape != quantiles.shape[:1] or np.any(np.diff(at) <= 0):
        raise ValueError(f"{at.size} rising levels are wanted for {quantiles.shape[0]} quantiles")
    edges = np.concatenate([[0.0], (at[1:] + at[:-1]) / 2, [1.0]])
    losses = [
        pinball_loss(quantile, observed, float(level))
        for quantile, level in zip(quantiles, at, strict=True)
    ]
    return float(2 * (np.diff(edges) * losses).sum())


def coverage(quantile: Array, observed: Array) -> float:
    """Return the share of observations at or below a quantile; its level, if it is calibrated."""
    return float((observed <= quantile).mean())


def skill(score: float, baseline: float) -> float:
    """Return by how much a score is better than that of a baseline: 1 - score / baseline.

    1 is perfect, 0 as good as the baseline, negative worse.

    Raises
    ------
    ValueError
        If the baseline's score is not positive: nothing is better than perfect.

    References
    ----------
    .. [1] Murphy, "Skill scores based on the mean square error and their relationships to the
       correlation coefficient," *Monthly Weather Review*, vol. 116, pp. 2417-2424, 1988.
    """
    if not baseline > 0:
        raise ValueError(f"the baseline's score must be positive; got {baseline}")
    return 1 - score / baseline
