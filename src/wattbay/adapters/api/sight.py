"""What somebody sees: their own, everybody's, or nothing. What is not theirs is as if not there.

A pod belongs to a party from an instant to another. So each row is judged by whose the pod was
then: whoever moves in does not see what was before, and whoever moved out not what came after.
"""

from __future__ import annotations

from typing import NamedTuple

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import not_found
from wattbay.core.exchange import State
from wattbay.core.facts import PodFacts
from wattbay.core.registry import facts_at
from wattbay.ids import MeterId, PartyId, PodId
from wattbay.periods import Instant


class Sight(NamedTuple):
    """What somebody sees."""

    parties: frozenset[PartyId] | None
    """Whose things; None for everybody's."""
    pods: frozenset[PodId] | None
    """All pods that ever were theirs; None for all."""

    @property
    def is_whole(self) -> bool:
        """Tell whether everything is seen."""
        return self.parties is None

    def sees_party(self, party: str | None) -> bool:
        """Tell whether what belongs to a party is seen."""
        return self.parties is None or party in self.parties

    def sees_pod(self, state: State, pod: str, at: Instant) -> bool:
        """Tell whether a pod is seen as it was at an instant."""
        if self.parties is None:
            return True
        if pod not in (self.pods or ()):
            return False
        facts = facts_at(state.registry, PodId(pod), at)
        return facts is not None and facts.party in self.parties


def sight_of(node: Node, identity: Identity) -> Sight:
    """Return what somebody sees."""
    if identity.may(Permission.READ_ALL):
        return Sight(None, None)
    if not identity.may(Permission.READ_OWN):
        return Sight(frozenset(), frozenset())
    return Sight(identity.parties, pods_of(node.state(), identity.parties))


def pods_of(state: State, parties: frozenset[PartyId]) -> frozenset[PodId]:
    """Return the pods that are, or ever were, those of some parties."""
    accounts = state.ledger.accounts
    return frozenset(
        PodId(name.partition("/")[0]) for party in parties for name in accounts.get(party, ())
    )


def own_pod(node: Node, identity: Identity, pod: str, at: Instant) -> PodFacts:
    """Return what holds at an instant of a pod that somebody may act for.

    Raises
    ------
    Problem
        If it is not theirs then.
    """
    facts = facts_at(node.state().registry, PodId(pod), at)
    if facts is None or not identity.may_trade_for(facts.party):
        raise not_found(f"pod {pod}")
    return facts


def pod_behind(state: State, device: MeterId) -> PodId | None:
    """Return the pod behind which a device or meter stands."""
    use = state.metering.meters.get(device)
    if use is not None:
        return use.pod
    known = state.registry.devices.get(device)
    return None if known is None else known.pod
