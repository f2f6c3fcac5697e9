"""Signing in and out, tokens, keys, and what a browser may do with its session."""

from __future__ import annotations

import re

import httpx
import pytest
from structlog.testing import capture_logs

from tests.api_node import PASSWORD, Bench, a_node
from wattbay.access.records import LoginChanges
from wattbay.adapters.api.callers import SESSION_COOKIE
from wattbay.adapters.api.node import Limits
from wattbay.ids import PartyId
from wattbay.periods import DAY, HOUR, MINUTE, Instant

API = "/api/v1"
SITE = "http://town.test"
NEW = "another sentence that nobody guesses"


def signed_in(bench: Bench, login: str = "p01", password: str = PASSWORD) -> httpx.Response:
    return bench.call(None, "POST", f"{API}/session", {"login": login, "password": password})


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    found = re.match(rf"{SESSION_COOKIE}=([^;]+)", answer.headers["set-cookie"])
    assert found
    return {"Cookie": f"{SESSION_COOKIE}={found[1]}"}


def a_key(bench: Bench, body: object, login: str = "p01") -> httpx.Response:
    """Ask for a key in a session of somebody's."""
    here = {**cookie_of(signed_in(bench, login)), "Origin": SITE}
    return bench.call(None, "POST", f"{API}/keys", body, headers=here)


def test_a_session_comes_as_a_cookie_that_no_script_and_no_other_site_gets() -> None:
    answer = signed_in(a_node())
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert f"Max-Age={12 * 3600}" in cookie
    assert answer.json() == {
        "login": "p01",
        "expires_at": "2013-06-09T12:00Z",
        "must_change": False,
    }


def test_what_is_typed_as_a_name_is_not_logged_unless_somebody_bears_it() -> None:
    with capture_logs() as lines:
        bench = a_node()
        signed_in(bench, "a long sentence\x1b[2J that was meant for the other field"[:64])
        signed_in(bench, password="wrong")  # noqa: S106 - of a test
        signed_in(bench)
    assert [line["login"] for line in lines] == ["", "", "p01"]


def test_over_https_the_cookie_stays_there() -> None:
    answer = a_node().call(
        None, "POST", f"https://town.test{API}/session", {"login": "p01", "password": PASSWORD}
    )
    assert "Secure" in answer.headers["set-cookie"]


def test_a_session_says_who_one_is() -> None:
    bench = a_node()
    cookie = cookie_of(signed_in(bench))
    told = bench.call(None, "GET", f"{API}/session", headers=cookie).json()
    assert (told["login"], told["means"], told["parties"]) == ("p01", "session", ["p01"])


def test_a_session_ends_by_signing_out_and_by_its_time() -> None:
    bench = a_node()
    cookie = cookie_of(signed_in(bench))
    here = {**cookie, "Origin": SITE}
    out = bench.call(None, "DELETE", f"{API}/session", headers=here)
    assert out.status_code == 204
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert bench.call(None, "GET", f"{API}/session", headers=cookie).status_code == 401
    later = cookie_of(signed_in(bench))
    bench.wall.advance(Instant(bench.wall.now() + 12 * HOUR))
    assert bench.call(None, "GET", f"{API}/session", headers=later).status_code == 401


def test_all_sessions_end_at_once() -> None:
    bench = a_node()
    first, second = cookie_of(signed_in(bench)), cookie_of(signed_in(bench))
    here = {**first, "Origin": SITE}
    assert bench.call(None, "DELETE", f"{API}/sessions", headers=here).status_code == 204
    for cookie in (first, second):
        assert bench.call(None, "GET", f"{API}/session", headers=cookie).status_code == 401


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"Origin": SITE}, 204),
        ({"Sec-Fetch-Site": "same-origin"}, 204),
        ({}, 403),
        ({"Origin": "http://elsewhere.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_session_changes_something_from_its_own_pages_only(
    told: dict[str, str], status: int
) -> None:
    bench = a_node()
    headers = {**cookie_of(signed_in(bench)), **told}
    assert bench.call(None, "DELETE", f"{API}/session", headers=headers).status_code == status


def test_nobody_is_signed_in_from_a_page_of_elsewhere() -> None:
    headers = {"Origin": "http://elsewhere.test"}
    body = {"login": "p01", "password": PASSWORD}
    answer = a_node().call(None, "POST", f"{API}/session", body, headers=headers)
    assert answer.status_code == 403


def test_wrong_passwords_and_unknown_logins_are_answered_alike() -> None:
    bench = a_node()
    wrong, unknown = signed_in(bench, "p01", "no"), signed_in(bench, "nobody", "no")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["detail"] == unknown.json()["detail"]
    assert "set-cookie" not in wrong.headers


def test_a_login_rests_after_too_many_wrong_passwords() -> None:
    bench = a_node()
    for _ in range(5):
        assert signed_in(bench, "p01", "no").status_code == 401
    resting = signed_in(bench)
    assert resting.status_code == 429
    assert int(resting.headers["retry-after"]) > 0


def test_an_address_may_not_try_to_sign_in_too_often() -> None:
    bench = a_node(limits=Limits(sign_ins_per_minute=3))
    statuses = [signed_in(bench, f"p0{number}").status_code for number in range(1, 6)]
    assert statuses == [201, 201, 201, 429, 429]
    bench.wall.advance(Instant(bench.wall.now() + 2 * MINUTE))
    assert signed_in(bench).status_code == 201


def test_a_password_is_changed_and_everything_before_is_over() -> None:
    bench = a_node()
    token, cookie = bench.token("p01"), cookie_of(signed_in(bench))
    here = {**cookie, "Origin": SITE}
    answer = bench.call(
        None, "PUT", f"{API}/session/password", {"old": PASSWORD, "new": NEW}, headers=here
    )
    assert answer.status_code == 200
    new = cookie_of(answer)
    assert bench.call(None, "GET", f"{API}/session", headers=new).status_code == 200
    assert bench.call(None, "GET", f"{API}/session", headers=cookie).status_code == 401
    bearer = {"Authorization": f"Bearer {token}"}
    assert bench.call(None, "GET", f"{API}/session", headers=bearer).status_code == 401
    assert signed_in(bench).status_code == 401
    assert signed_in(bench, "p01", NEW).status_code == 201


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [("wrong password here", NEW, 403), (PASSWORD, "short", 422), (PASSWORD, PASSWORD, 409)],
)
def test_a_password_is_not_changed_for_a_weak_one_or_by_who_does_not_know_it(
    old: str, new: str, status: int
) -> None:
    bench = a_node()
    here = {**cookie_of(signed_in(bench)), "Origin": SITE}
    body = {"old": old, "new": new}
    answer = bench.call(None, "PUT", f"{API}/session/password", body, headers=here)
    assert answer.status_code == status, answer.text
    assert signed_in(bench).status_code == 201


def test_with_a_one_time_password_nothing_is_allowed_but_to_change_it() -> None:
    bench = a_node()
    bench.people.change_login("p01", **LoginChanges(must_change=True))
    cookie = cookie_of(signed_in(bench))
    told = bench.call(None, "GET", f"{API}/session", headers=cookie).json()
    assert told["must_change"]
    assert told["permissions"] == []
    refused = bench.call(None, "GET", f"{API}/products", headers=cookie)
    assert refused.status_code == 403
    assert refused.json()["type"].endswith(":must-change")
    here = {**cookie, "Origin": SITE}
    changed = bench.call(
        None, "PUT", f"{API}/session/password", {"old": PASSWORD, "new": NEW}, headers=here
    )
    fresh = cookie_of(changed)
    assert bench.call(None, "GET", f"{API}/products", headers=fresh).status_code == 200


# --- tokens and keys -------------------------------------------------------------------------


def test_a_key_comes_in_by_either_header_and_is_over_when_it_is_revoked() -> None:
    bench = a_node()
    made = a_key(bench, {"name": "heat pump"})
    assert made.status_code == 201
    secret, key = made.json()["secret"], made.json()["key"]["key"]
    for headers in ({"X-API-Key": secret}, {"Authorization": f"Bearer {secret}"}):
        told = bench.call(None, "GET", f"{API}/session", headers=headers).json()
        assert (told["login"], told["means"]) == ("p01", "api_key")
    listed = bench.call("p01", "GET", f"{API}/keys").json()
    assert [one["key"] for one in listed] == [key]
    assert secret not in str(listed)
    assert bench.call("p01", "DELETE", f"{API}/keys/{key}").status_code == 204
    answer = bench.call(None, "GET", f"{API}/session", headers={"X-API-Key": secret})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_is_limited_to_its_scopes() -> None:
    bench = a_node()
    body = {"name": "display", "scopes": ["read_market"]}
    secret = a_key(bench, body).json()["secret"]
    headers = {"X-API-Key": secret}
    assert bench.call(None, "GET", f"{API}/products", headers=headers).status_code == 200
    assert bench.call(None, "GET", f"{API}/orders", headers=headers).status_code == 403
    assert bench.call(None, "GET", f"{API}/keys", headers=headers).status_code == 403
    more = bench.call(None, "POST", f"{API}/keys", {"name": "more"}, headers=headers)
    assert more.status_code == 403
    assert bench.call(None, "DELETE", f"{API}/sessions", headers=headers).status_code == 403


def test_a_key_ends_by_its_date() -> None:
    bench = a_node()
    body = {"name": "a day", "expires_at": "2013-06-10T00:00Z"}
    secret = a_key(bench, body).json()["secret"]
    bench.wall.advance(Instant(bench.wall.now() + DAY))
    answer = bench.call(None, "GET", f"{API}/session", headers={"X-API-Key": secret})
    assert answer.status_code == 401
    assert answer.json()["type"].endswith(":expired")


def test_a_token_makes_no_key() -> None:
    answer = a_node().call("p01", "POST", f"{API}/keys", {"name": "for ever"})
    assert answer.status_code == 403


def test_no_key_allows_more_than_its_owner_may() -> None:
    body = {"name": "all of it", "scopes": ["manage_logins"]}
    assert a_key(a_node(), body).status_code == 403


def test_a_token_is_got_for_a_session_and_ends_by_its_time() -> None:
    bench = a_node()
    here = {**cookie_of(signed_in(bench)), "Origin": SITE}
    given = bench.call(None, "POST", f"{API}/tokens", {"lasts_s": 60}, headers=here)
    assert given.status_code == 201
    assert given.json()["expires_at"] == "2013-06-09T00:01Z"
    bearer = {"Authorization": f"Bearer {given.json()['token']}"}
    assert bench.call(None, "GET", f"{API}/session", headers=bearer).status_code == 200
    bench.wall.advance(Instant(bench.wall.now() + MINUTE))
    assert bench.call(None, "GET", f"{API}/session", headers=bearer).status_code == 401


def test_no_token_makes_another() -> None:
    assert a_node().call("p01", "POST", f"{API}/tokens", {}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic cDAxOnB3"},
        {"Authorization": "Bearer"},
        {"X-API-Key": "wb_x_y"},
        {"X-API-Key": ""},
        {"Cookie": f"{SESSION_COOKIE}=nonsense"},
        {},
    ],
)
def test_nonsense_lets_nobody_in(headers: dict[str, str]) -> None:
    answer = a_node().call(None, "GET", f"{API}/session", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_in_the_query_is_not_heard() -> None:
    bench = a_node()
    token = bench.token("p01")
    path = f"{API}/session?access_token={token}&api_key={token}"
    assert bench.call(None, "GET", path).status_code == 401


# --- logins ----------------------------------------------------------------------------------


def test_an_administrator_makes_a_login_whose_password_is_told_once() -> None:
    bench = a_node()
    body = {"login": "p07", "roles": ["prosumer"], "parties": ["p01"]}
    made = bench.call("boss", "POST", f"{API}/logins", body)
    assert made.status_code == 201
    answer = signed_in(bench, "p07", made.json()["one_time_password"])
    assert answer.json()["must_change"]
    again = bench.call("boss", "POST", f"{API}/logins", body)
    assert again.status_code == 409
    known = bench.people.login("p07")
    assert known is not None
    assert known.parties == {PartyId("p01")}


def test_a_login_is_changed_from_the_version_that_was_seen() -> None:
    bench = a_node()
    path = f"{API}/logins/p01"
    seen = bench.call("boss", "GET", path)
    tag = seen.headers["etag"]
    body = {"roles": ["aggregator"], "parties": ["p01", "p02"]}
    assert bench.call("boss", "PATCH", path, body).status_code == 428
    changed = bench.call("boss", "PATCH", path, body, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["parties"] == ["p01", "p02"]
    stale = bench.call("boss", "PATCH", path, body, headers={"If-Match": tag})
    assert stale.status_code == 412
    assert stale.headers["etag"] == changed.headers["etag"]


def test_a_login_that_is_disabled_comes_in_no_more() -> None:
    bench = a_node()
    token = bench.token("p01")
    path, match = f"{API}/logins/p01", {"If-Match": "*"}
    assert bench.call("boss", "PATCH", path, {"is_disabled": True}, headers=match).is_success
    bearer = {"Authorization": f"Bearer {token}"}
    assert bench.call(None, "GET", f"{API}/session", headers=bearer).status_code in {401, 403}
    assert signed_in(bench).status_code in {401, 403}
    assert bench.call("boss", "PATCH", path, {"is_disabled": False}, headers=match).is_success
    assert signed_in(bench).status_code == 201


def test_the_last_administrator_stays() -> None:
    bench = a_node()
    assert bench.call("boss", "DELETE", f"{API}/logins/boss").status_code == 409
    body, match = {"roles": ["analyst"]}, {"If-Match": "*"}
    answer = bench.call("boss", "PATCH", f"{API}/logins/boss", body, headers=match)
    assert answer.status_code == 409
    assert bench.call("boss", "GET", f"{API}/logins").status_code == 200


def test_a_password_is_reset_and_a_login_removed() -> None:
    bench = a_node()
    reset = bench.call("boss", "POST", f"{API}/logins/p01/password")
    assert reset.status_code == 201
    assert signed_in(bench).status_code == 401
    assert signed_in(bench, "p01", reset.json()["one_time_password"]).status_code == 201
    assert bench.call("boss", "DELETE", f"{API}/logins/p01").status_code == 204
    assert bench.call("boss", "GET", f"{API}/logins/p01").status_code == 404
    assert bench.call("boss", "POST", f"{API}/logins/p01/password").status_code == 404


def test_logins_are_listed_page_by_page() -> None:
    bench = a_node()
    found, path = [], f"{API}/logins?limit=4"
    while path:
        page = bench.call("boss", "GET", path).json()
        found += [one["login"] for one in page["items"]]
        path = page["next"]
    assert found == sorted(login.login for login in bench.people.logins())


def test_the_audit_log_is_read_newest_first_and_checked() -> None:
    bench = a_node()
    signed_in(bench, "p01", "no")
    signed_in(bench)
    first = bench.call("boss", "GET", f"{API}/audit?limit=2&login=p01").json()
    acts = [(one["act"], one["outcome"]) for one in first["items"]]
    assert acts == [("sign_in", "done"), ("sign_in", "not_known")]
    assert all(one["request_id"] for one in first["items"])
    checked = bench.call("boss", "GET", f"{API}/audit/check").json()
    assert checked["faults"] == []
    assert checked["number"] == bench.people.audit_head().number
