"""What a service tells of itself in numbers, to Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """What is asked when somebody asks."""

    counts: Mapping[str, Callable[[], Mapping[str, int]]]
    """By what: how many there were, by what became of them."""
    present: Mapping[str, Callable[[], float]]
    """By what: how much there is now."""


class Numbers:
    """Collects what parts of the service count by themselves."""

    def __init__(self, gauges: Gauges) -> None:
        """Ask these."""
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Yield a family of each."""
        for name, counts in self._gauges.counts.items():
            family = CounterMetricFamily(
                f"wattbay_{name}", f"{name.replace('_', ' ')}, by outcome", labels=["outcome"]
            )
            for outcome, count in counts().items():
                family.add_metric([outcome], count)
            yield family
        for name, present in self._gauges.present.items():
            yield GaugeMetricFamily(
                f"wattbay_{name}", name.replace("_", " "), value=float(present())
            )


def registry_of(gauges: Gauges) -> CollectorRegistry:
    """Return a registry with these numbers in it, for the interface to add its own."""
    registry = CollectorRegistry()
    numbers: Collector = Numbers(gauges)
    registry.register(numbers)
    return registry
