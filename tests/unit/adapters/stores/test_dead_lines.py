"""A network that swallows everything is noticed, unless the operator wants it otherwise."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict

from wattbay.adapters.stores.dead_lines import with_dead_lines


def test_connection_that_nothing_comes_back_on_is_given_up() -> None:
    told = conninfo_to_dict(with_dead_lines("host=db dbname=wattbay"))
    assert (told["host"], told["dbname"]) == ("db", "wattbay")
    assert told["tcp_user_timeout"] == "10000"
    assert told["keepalives_idle"] == "5"


def test_what_the_operator_sets_holds_but_for_our_own_wishes() -> None:
    wanted = "host=db tcp_user_timeout=60000 options='-c lock_timeout=1h'"
    told = conninfo_to_dict(with_dead_lines(wanted, options="-c lock_timeout=5s"))
    assert told["tcp_user_timeout"] == "60000"
    assert told["options"] == "-c lock_timeout=5s"
