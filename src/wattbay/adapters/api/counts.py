"""What is counted of requests, for `/metrics`: by the template of the path, never by the path."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
UNKNOWN_ROUTE = "(none)"
"""Stands for all paths that nobody offers: so a scanner cannot make metrics grow."""


class Counts:
    """The metrics of one application."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Count from zero, in a registry of its own unless one is given."""
        self.registry = CollectorRegistry() if registry is None else registry
        make = partial(Counter, registry=self.registry)
        self._requests = make(
            "wattbay_http_requests", "Requests answered.", ("method", "route", "status")
        )
        self._seconds = Histogram(
            "wattbay_http_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("method", "route"),
            registry=self.registry,
            buckets=BUCKETS_S,
        )
        self.under_way = Gauge(
            "wattbay_http_requests_under_way", "Requests not answered yet.", registry=self.registry
        )
        self.errors = make("wattbay_http_errors", "Requests that ended in a fault of ours.")
        self._children: dict[tuple[str, str, int], Counter] = {}
        self._spans: dict[tuple[str, str], Histogram] = {}

    def count(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:  # Labels are looked up once: that is dearer than to count.
            child = self._children[key] = self._requests.labels(method, route, str(status))
        child.inc()
        span = self._spans.get((method, route))
        if span is None:
            span = self._spans[method, route] = self._seconds.labels(method, route)
        span.observe(took_s)

    def text(self) -> bytes:
        """Return everything in the form that Prometheus reads."""
        return generate_latest(self.registry)
