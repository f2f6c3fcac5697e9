"""Batteries that sell to a utility, to their own homes, or to aggregators that bid for them."""
