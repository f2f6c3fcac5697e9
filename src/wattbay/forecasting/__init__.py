"""Load, PV and price forecasts: history in, quantiles out; knows nothing of markets."""
