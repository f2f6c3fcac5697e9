"""When a connection to PostgreSQL is given up: a network may swallow everything."""

from __future__ import annotations

from types import MappingProxyType

from psycopg import conninfo as libpq

CONNECT_S = 5
"""How long the server may take to let us in. [s]"""
DEAD_LINES = MappingProxyType(
    {
        "connect_timeout": CONNECT_S,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
)
"""By which a network that swallows everything is noticed within ten seconds or so."""


def with_dead_lines(conninfo: str, **wishes: str) -> str:
    """Return how libpq is to connect: what the operator sets holds, but for our own wishes."""
    wanted = {**DEAD_LINES, **libpq.conninfo_to_dict(conninfo), **wishes}
    return libpq.make_conninfo("", **wanted)
