"""Rows 39 to 42 of the attack plan: times that cannot be, cursors, filters, paths and methods that nobody offers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.attack.asgi import JSON, MESSAGES, Asked, Headers
from tests.attack.gate import MESSAGE, Gate, check_problem, get, post, write
from tests.support.gateway import Tenant, basic


def moment(seconds: float) -> str:
    """Write the moment so many seconds from now, in UTC."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


DAY: Final = 24 * 3600
NO_TIME: Final[list[object]] = [
    "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0000-00-00T00:00:00Z",
    "2000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-2030-01-01T00:00:00Z", "2016-12-31T23:59:60Z",
    "2030-06-30T23:59:60Z", "2030-01-01T24:00:00Z", "2030-13-01T00:00:00Z", "2030-02-30T00:00:00Z",
    "2030-01-01T00:60:00Z", "2030-01-01T25:00:00Z", "2030-1-1T0:0:0Z", "2030-01-01T00:00:00", "2030-01-01 00:00:00",
    "2030-01-01", "2030-W01-1T00:00:00Z", "2030-001T00:00:00Z", "20300101T000000Z", "00:00:00Z",
    "2030-01-01T00:00:00+24:00", "2030-01-01T00:00:00+99:99", "2030-01-01T00:00:00 UTC", "2030-01-01T00:00:00[UTC]",
    "2030-01-01T00:00:00ZZ", "2030-01-01T00:00:00.Z", "2030-01-01T00:00:00,5.5Z", " 2030-01-01T00:00:00Z",
    "2030-01-01T00:00:00Z ", "2030-01-01T00:00:00Z\n", "\u0662\u0660\u0663\u0660-01-01T00:00:00Z",
    "2030\u221201\u221201T00:00:00Z", "Tue, 01 Jan 2030 00:00:00 GMT", "01/01/2030", "now", "tomorrow", "+1 hour",
    "PT1H", "1893456000", "1893456000.0", "", " ", "null", "9" * 5_000, "NaN", "infinity", 1893456000, 1893456000000,
    -1, 0, 1.5, True, False, [], {}, ["2030-01-01T00:00:00Z"],
]  # fmt: skip


@pytest.mark.parametrize("field", ["send_at", "expires_at"])
async def test_row_39_what_is_no_time_with_a_zone_or_lies_nowhere_near_is_refused(
    gate: Gate, test_key: Headers, field: str
) -> None:
    for time in NO_TIME:
        answer = await gate.refuses(post({**MESSAGE, field: time}, key=test_key), 422, "validation-failed")
        assert {error["pointer"] for error in answer.document["errors"]} == {f"/{field}"}, time


async def test_row_39_times_out_of_bounds_or_out_of_order_are_refused(gate: Gate, test_key: Headers) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("/send_at", {"send_at": moment(-120)}),
        ("/send_at", {"send_at": moment(35 * DAY + 120)}),
        ("/expires_at", {"expires_at": moment(-1)}),
        ("/expires_at", {"expires_at": moment(3 * DAY + 120)}),
        ("/expires_at", {"send_at": moment(7200), "expires_at": moment(3600)}),
        ("/expires_at", {"send_at": moment(7200), "expires_at": moment(7200 + 3 * DAY + 120)}),
        ("/expires_at", {"send_at": (same := moment(7200)), "expires_at": same}),
        ("/expires_at", {"expires_at": moment(3600), "validity_seconds": 60}),
    ]
    for pointer, change in wrong:
        answer = await gate.refuses(post({**MESSAGE, **change}, key=test_key), 422, "validation-failed")
        assert [error["pointer"] for error in answer.document["errors"]] == [pointer], change


async def test_row_39_times_within_bounds_are_taken_in_any_zone(gate: Gate, test_key: Headers) -> None:
    zoned = (datetime.now(UTC) + timedelta(hours=14)).strftime("%Y-%m-%dT%H:%M:%S+14:00")
    for change, status in (
        ({"send_at": None, "expires_at": None}, "queued"),
        ({"send_at": moment(-30)}, "queued"),
        ({"send_at": moment(3600)}, "scheduled"),
        ({"send_at": moment(35 * DAY - 120)}, "scheduled"),
        ({"send_at": moment(3600), "expires_at": moment(3660)}, "scheduled"),
        ({"send_at": zoned}, "queued"),
    ):
        assert (await gate.accepts(post({**MESSAGE, **change}, key=test_key)))["status"] == status, change


UNREADABLE: Final = "validation-failed"
BAD_QUERIES: Final[list[tuple[str, int, str]]] = [
    ("limit=0", 422, UNREADABLE),
    ("limit=-1", 422, UNREADABLE),
    ("limit=201", 422, UNREADABLE),
    ("limit=1000000000", 422, UNREADABLE),
    ("limit=" + "9" * 30, 422, UNREADABLE),
    ("limit=" + "9" * 5_000, 422, UNREADABLE),
    ("limit=", 422, UNREADABLE),
    ("limit=1.5", 422, UNREADABLE),
    ("limit=1e2", 422, UNREADABLE),
    ("limit=0x10", 422, UNREADABLE),
    ("limit=ten", 422, UNREADABLE),
    ("limit=NaN", 422, UNREADABLE),
    ("limit=%00", 422, UNREADABLE),
    ("limit[]=1", 422, UNREADABLE),
    ("offset=10", 422, UNREADABLE),
    ("page=2", 422, UNREADABLE),
    ("order=id%20desc;--", 422, UNREADABLE),
    ("kumquat-0f3a9c=1", 422, UNREADABLE),
    ("__proto__=1", 422, UNREADABLE),
    ("%00=1", 422, UNREADABLE),
    ("=1", 422, UNREADABLE),
    ("tenant_id=1", 422, UNREADABLE),
    ("status=bogus", 422, UNREADABLE),
    ("status=", 422, UNREADABLE),
    ("status=QUEUED", 422, UNREADABLE),
    ("status=queued%27%20OR%201=1", 422, UNREADABLE),
    ("status[]=queued", 422, UNREADABLE),
    ("direction=sideways", 422, UNREADABLE),
    ("to=%00", 422, UNREADABLE),
    ("to=%2B13125550143%00", 422, UNREADABLE),
    ("to=a%0d%0aX-Evil:1", 422, UNREADABLE),
    ("to=" + "1" * 65, 422, UNREADABLE),
    ("from=%E2%80%AE", 422, UNREADABLE),
    ("client_reference=%00", 422, UNREADABLE),
    ("client_reference=" + "x" * 129, 422, UNREADABLE),
    ("client_reference=%1b[31m", 422, UNREADABLE),
    ("created_after=yesterday", 422, UNREADABLE),
    ("created_after=2030-01-01T00:00:00", 422, UNREADABLE),
    ("created_after=99999-01-01T00:00:00Z", 422, UNREADABLE),
    ("created_before=" + "9" * 400, 422, UNREADABLE),
    ("account=1", 422, UNREADABLE),
    ("account=%C3%A9", 422, UNREADABLE),
    ("account=%00", 422, UNREADABLE),
    ("account=01234567-89ab-cdef-0123-456789abcdef", 403, "forbidden"),
    ("cursor=", 400, "invalid-cursor"),
    ("cursor=AAAA", 400, "invalid-cursor"),
    ("cursor=" + "A" * 32, 400, "invalid-cursor"),
    ("cursor=" + "A" * 33, 400, "invalid-cursor"),
    ("cursor=" + "_" * 32, 400, "invalid-cursor"),
    ("cursor=" + "=" * 32, 400, "invalid-cursor"),
    ("cursor=%00", 400, "invalid-cursor"),
    ("cursor=%ff%fe", 400, "invalid-cursor"),
    ("cursor=%F0%9F%98%80", 400, "invalid-cursor"),
    ("cursor=0", 400, "invalid-cursor"),
    ("cursor=null", 400, "invalid-cursor"),
    ("cursor=..%2F..%2Fetc%2Fpasswd", 400, "invalid-cursor"),
    ("cursor=%27%20OR%201=1--", 400, "invalid-cursor"),
    ("cursor=" + "A" * 65, 422, UNREADABLE),
]


@pytest.mark.parametrize(("query", "status", "code"), BAD_QUERIES)
async def test_row_40_a_list_is_asked_for_as_described_or_not_at_all(
    gate: Gate, test_key: Headers, query: str, status: int, code: str
) -> None:
    await gate.refuses(get(f"{MESSAGES}?{query}", key=test_key), status, code)


async def test_row_40_a_cursor_fits_its_own_list_of_its_own_account_only(
    gate: Gate, test_key: Headers, rival: Tenant
) -> None:
    other = tuple(basic(rival.test).items())
    for _ in range(2):
        await gate.accepts(post(MESSAGE, key=test_key))
        await gate.accepts(post(MESSAGE, key=other))
    cursor = (await gate.ask(get(f"{MESSAGES}?limit=1", key=test_key))).document["next_cursor"]
    flipped = [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in range(0, 32, 3)]
    for wrong in (*flipped, cursor[:-1], cursor + "A", cursor.swapcase(), cursor[::-1]):
        await gate.refuses(get(f"{MESSAGES}?limit=1&cursor={quote(wrong)}", key=test_key), 400, "invalid-cursor")
    for query in ("status=queued&", "to=%2B13125550143&", "direction=outbound&"):
        await gate.refuses(get(f"{MESSAGES}?{query}cursor={cursor}", key=test_key), 400, "invalid-cursor")
    await gate.refuses(get(f"{MESSAGES}?cursor={cursor}", key=other), 400, "invalid-cursor")


PATTERNS: Final = [
    "client_reference=%25", "client_reference=_____________________", "client_reference=order%25", "to=%25",
    "from=_%25", "client_reference=.*", "client_reference=%27%20OR%20%271%27=%271", "client_reference=%5C",
    "provider=%25", "error_code=%25",
]  # fmt: skip


@pytest.mark.parametrize("query", PATTERNS)
async def test_row_40_a_filter_is_compared_and_never_a_pattern(gate: Gate, test_key: Headers, query: str) -> None:
    await gate.accepts(post(MESSAGE, key=test_key))
    answer = await gate.ask(get(f"{MESSAGES}?{query}", key=test_key))
    assert (answer.status, answer.document["data"]) == (200, [])


IDS: Final = [
    "x", "0", "-1", "null", "undefined", "NaN", "1e9", "kumquat-0f3a9c", "01234567-89ab-cdef-0123-456789abcdef",
    "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "FFFFFFFF-FFFF-7FFF-BFFF-FFFFFFFFFFFF", "01234567-89ab-7def-8123-456789abcdeg", "0123456789ab7def8123456789abcdef",
    "%7B01234567-89ab-7def-8123-456789abcdef%7D", "urn:uuid:01234567-89ab-7def-8123-456789abcdef",
    "01234567-89ab-7def-8123-456789abcdef%0A", "%00", "%2500", "a%00b", "01234567-89ab-7def-8123-456789abcdef%00",
    "%2e%2e", "..", "...", ".", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cetc", "%252e%252e%252f",
    "%c0%ae%c0%ae%c0%af", "%ff%fe", "%ED%A0%80", "%F0%9F%98%80", "%", "%zz", "%0d%0aX-Evil:%201", "*", "%25", "_",
    "%27%20OR%20%271%27=%271", "%27;DROP%20TABLE%20messages;--", "$%7Bjndi:ldap://x%7D", "%7B%7B7*7%7D%7D",
    "a" * 2_000, "%D9%A0" * 36, "0" * 36, ";jsessionid=1", "~", "%20", "+",
]  # fmt: skip


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/events"), ("POST", "/cancel")])
async def test_row_41_an_id_that_is_none_of_ours_leads_nowhere(
    gate: Gate, test_key: Headers, method: str, rest: str
) -> None:
    for message_id in IDS:
        asked = Asked(method=method, target=f"{MESSAGES}/{message_id}{rest}", headers=test_key)
        await gate.refuses(asked, 404, "not-found")


async def test_row_41_a_message_is_found_by_its_owner_alone(gate: Gate, test_key: Headers, rival: Tenant) -> None:
    message_id = (await gate.accepts(post(MESSAGE, key=test_key)))["id"]
    other = tuple(basic(rival.test).items())
    for rest, method in (("", "GET"), ("/events", "GET"), ("/cancel", "POST")):
        asked = Asked(method=method, target=f"{MESSAGES}/{message_id}{rest}", headers=other)
        await gate.refuses(asked, 404, "not-found", message_id)
    upper = await gate.ask(get(f"{MESSAGES}/{message_id.upper()}", key=test_key))
    assert (upper.status, upper.document["id"]) == (200, message_id)


async def test_row_41_a_message_that_can_no_longer_be_canceled_says_where_it_stands(
    gate: Gate, test_key: Headers
) -> None:
    message_id = (await gate.accepts(post({**MESSAGE, "send_at": moment(3600)}, key=test_key)))["id"]
    asked = Asked(target=f"{MESSAGES}/{message_id}/cancel", headers=test_key)
    assert (await gate.ask(asked)).document["status"] == "canceled"
    gate.logged()
    refused = await gate.refuses(asked, 409, "not-cancelable")
    assert refused.document["message_status"] == "canceled"


PATHS: Final = [
    "/v1/messages/", "//v1/messages", "/v1//messages", "/v1/messages//", "/v1/./messages", "/v1/../v1/messages",
    "/V1/messages", "/v1/Messages", "/v1/messages%2f", "/v1/messages%00", "/v1/messages.json", "/v1/messages;a=1",
    "/v2/messages", "/v1", "/", "/v1/admin", "/admin", "/metrics", "/.env", "/.git/config", "/wp-login.php",
    "/%2e%2e/%2e%2e/etc/passwd", "/*", "/messages/", "/v1/v1/messages", "/kumquat-0f3a9c",
]  # fmt: skip


async def test_row_41_a_path_is_as_described_or_leads_nowhere(gate: Gate, test_key: Headers) -> None:
    for path in PATHS:
        await gate.refuses(get(path, key=test_key), 404, "not-found")
        await gate.refuses(post(MESSAGE, key=test_key, target=path), 404, "not-found")


async def test_row_41_a_path_of_ten_kilobytes_is_too_long(gate: Gate, test_key: Headers) -> None:
    for target in (
        f"{MESSAGES}/{'a' * 10_240}",
        f"{MESSAGES}?to={'1' * 10_240}",
        "/" + "../" * 4_000,
        "/" + "%2e" * 4_000,
    ):
        await gate.refuses(get(target, key=test_key), 431, "headers-too-large")


METHODS: Final = [
    "TRACE", "CONNECT", "PROPFIND", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACK", "DEBUG", "SEARCH", "PURGE", "MKCOL",
    "FOO", "post", "Get", "GETX", "", "\u00e9", "A" * 1_000,
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
async def test_row_42_a_method_that_is_not_offered_is_refused(gate: Gate, test_key: Headers, method: str) -> None:
    for target, allowed in (
        (MESSAGES, "GET, HEAD, POST"),
        (f"{MESSAGES}/x", "GET, HEAD"),
        (f"{MESSAGES}/x/cancel", "POST"),
    ):
        asked = Asked(method=method, target=target, headers=(*JSON, *test_key), chunks=(write(MESSAGE),))
        answer = await gate.refuses(asked, 405, "method-not-allowed")
        assert answer.header("allow") == allowed


async def test_row_42_no_header_or_parameter_changes_the_method(gate: Gate, test_key: Headers) -> None:
    for name in ("x-http-method-override", "x-http-method", "x-method-override"):
        for method in ("DELETE", "POST", "TRACE"):
            assert (await gate.ask(get(MESSAGES, (name, method), key=test_key))).status == 200
            sent = await gate.ask(post(b"{}", (name, "GET"), key=test_key))
            check_problem(sent, 422, "validation-failed")
    await gate.refuses(get(f"{MESSAGES}?_method=DELETE", key=test_key), 422, "validation-failed")
