"""Wattbay: local energy markets, from a signed meter reading to a receipt."""

__version__ = "0.1.0"
