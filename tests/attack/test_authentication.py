"""Rows 1 and 4 to 10 and 12 of the attack plan: every way to be nobody, or somebody else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Final

import pytest
from starlette.types import ASGIApp

from app.domain.credentials import Credentials, KeyMode, Scope, new_credentials
from app.services.administration import Administration
from app.settings import SettingsError
from app.store.engine import Engine
from tests.attack.asgi import MESSAGES, Asked, Headers, application, ask
from tests.attack.gate import GENEROUS, MESSAGE, Gate, check_problem, get, post
from tests.support.gateway import Tenant, api_client, basic, ops_key, settings_for

NOWHERE: Final = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
"""A database that does not answer: whoever asks it is found out by a 503."""

STRANGER: Final = new_credentials(KeyMode.TEST, id_bytes=bytes(range(12)), secret_bytes=bytes(range(40, 72)))
USER: Final = STRANGER.user
ID: Final = STRANGER.key_id
PASSWORD: Final = STRANGER.secret


def header(value: str | bytes) -> Headers:
    return (("authorization", value),)


def pair(user: str | bytes, password: str | bytes) -> str:
    parts = [part if isinstance(part, bytes) else part.encode() for part in (user, password)]
    return f"Basic {base64.b64encode(b':'.join(parts)).decode()}"


def of(credentials: Credentials) -> Headers:
    return tuple(basic(credentials).items())


async def test_row_01_no_key_is_unauthenticated_and_told_both_schemes(gate: Gate) -> None:
    for asked in (post(MESSAGE, key=()), get(MESSAGES, key=()), get(f"{MESSAGES}?limit=1", key=())):
        answer = await gate.refuses(asked, 401, "unauthenticated")
        challenge = answer.header("www-authenticate") or ""
        assert ("Basic realm=" in challenge, "Bearer realm=" in challenge) == (True, True)


MISTYPED: Final = [
    pair(USER, PASSWORD[:-1] + ("A" if PASSWORD[-1] != "A" else "B")),
    pair(USER, "A" + PASSWORD[1:]),
    pair(USER, PASSWORD[1:] + PASSWORD[0]),
    pair(USER, PASSWORD.swapcase()),
    pair(USER, PASSWORD[::-1]),
    pair(USER, PASSWORD[:-1]),
    pair(USER, PASSWORD + "A"),
    pair(USER, PASSWORD * 100),
    pair(USER, PASSWORD[:-6]),
    pair(USER, ""),
    pair(USER, " " + PASSWORD),
    pair(USER, PASSWORD + "\n"),
    pair(USER, PASSWORD + ":" + PASSWORD),
    pair(USER.replace("test", "live"), PASSWORD),
    pair(USER.replace("test", "prod"), PASSWORD),
    pair(USER.upper(), PASSWORD),
    pair(USER.swapcase(), PASSWORD),
    pair("mgw_test_" + ID[::-1], PASSWORD),
    pair("mgw_test_" + ID[:-1], PASSWORD),
    pair("mgw_test_%", PASSWORD),
    pair("mgw_test_' OR 1=1", PASSWORD),
    pair(ID, PASSWORD),
    pair("", PASSWORD),
    pair(PASSWORD, USER),
    pair("", ""),
    f"Bearer {STRANGER.bearer[:-1]}",
    f"Bearer {STRANGER.bearer}A",
    f"Bearer {STRANGER.bearer}\x0b",
    f"Bearer {STRANGER.bearer.replace('test', 'live')}",
    f"Bearer {USER}",
    f"Bearer {PASSWORD}",
    f"Bearer {USER}:{PASSWORD}",
    f"Bearer {USER}__{PASSWORD}",
    f"Bearer {STRANGER.bearer},{STRANGER.bearer}",
    "Bearer null",
    "Bearer undefined",
    "Bearer [object Object]",
    "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
]


@pytest.fixture(scope="module")
async def blind() -> AsyncIterator[ASGIApp]:
    """The API without its database."""
    async with api_client(NOWHERE, api=GENEROUS) as client:
        yield application(client)


@pytest.mark.parametrize("value", MISTYPED)
async def test_row_04_a_key_whose_checksum_is_wrong_is_refused_without_a_look_into_the_database(
    blind: ASGIApp, value: str
) -> None:
    check_problem(await ask(blind, get(MESSAGES, key=header(value))), 401, "unauthenticated")


async def test_row_04_a_key_that_could_be_one_is_looked_up(blind: ASGIApp) -> None:
    check_problem(await ask(blind, get(MESSAGES, key=of(STRANGER))), 503, "temporarily-unavailable")


async def key_until(database: Engine, account: str, seconds: float) -> Headers:
    """Make a key that expires so many seconds from now."""
    made = await Administration(database, ()).create_key(
        account=account, mode=KeyMode.LIVE, scopes=[Scope.MESSAGES_READ]
    )
    async with database.begin() as connection:
        expiry = f"now() + interval '{seconds} seconds'"
        await connection.exec_driver_sql(
            f"UPDATE api_keys SET expires_at = {expiry} WHERE id = $1", (made.credentials.key_id,)
        )
    return of(made.credentials)


async def test_row_05_a_key_that_expires_while_it_is_remembered_stops_that_moment(
    gate: Gate, shop: Tenant, database: Engine
) -> None:
    key = await key_until(database, shop.name, 0.6)
    assert (await gate.ask(get(MESSAGES, key=key))).status == 200
    await asyncio.sleep(0.7)
    await gate.refuses(get(MESSAGES, key=key), 401, "unauthenticated")


async def test_row_05_a_key_that_has_expired_before_its_first_use_opens_nothing(
    gate: Gate, shop: Tenant, database: Engine
) -> None:
    key = await key_until(database, shop.name, -1)
    await gate.refuses(get(MESSAGES, key=key), 401, "unauthenticated")


async def test_row_05_no_setting_lets_a_revoked_key_work_for_more_than_five_seconds(shared_database_url: str) -> None:
    assert settings_for(shared_database_url).api.key_cache_seconds <= 5
    with pytest.raises(SettingsError):
        settings_for(shared_database_url, api={"key_cache_seconds": 5.1})


ELSEWHERE: Final[list[tuple[str, Headers]]] = [
    ("?api_key={key}", ()),
    ("?access_token={key}", ()),
    ("?authorization=Bearer%20{key}", ()),
    ("?key={key}&limit=1", ()),
    ("", (("x-api-key", "{key}"),)),
    ("", (("api-key", "{key}"),)),
    ("", (("cookie", "api_key={key}; session={key}"),)),
    ("", (("proxy-authorization", "Bearer {key}"),)),
    ("", (("x-authorization", "Bearer {key}"),)),
    ("", (("x-forwarded-authorization", "Bearer {key}"),)),
    ("", (("authentication", "Bearer {key}"),)),
]


@pytest.mark.parametrize(("query", "headers"), ELSEWHERE)
async def test_row_06_a_key_anywhere_else_opens_nothing_and_is_in_no_log(
    gate: Gate, shop: Tenant, query: str, headers: Headers
) -> None:
    filled = tuple((name, str(value).format(key=shop.test.bearer)) for name, value in headers)
    asked = get(MESSAGES + query.format(key=shop.test.bearer), *filled, key=())
    await gate.refuses(asked, 401, "unauthenticated", shop.test.secret)


async def test_row_07_two_authorization_headers_are_malformed_whatever_they_say(gate: Gate, shop: Tenant) -> None:
    good, bearer = of(shop.test), header(f"Bearer {shop.test.bearer}")
    for both in ((*good, *good), (*good, *bearer), (*good, *header("")), (*header("Basic x"), *good), (*good,) * 3):
        await gate.refuses(post(MESSAGE, key=both), 400, "bad-request", shop.test.secret)
    joined = header(f"Bearer {shop.test.bearer}, Bearer {shop.test.bearer}")
    await gate.refuses(post(MESSAGE, key=joined), 401, "unauthenticated", shop.test.secret)


async def test_row_08_the_scheme_is_read_in_any_case_and_nothing_else_is_forgiven(gate: Gate, shop: Tenant) -> None:
    encoded = basic(shop.test)["authorization"].removeprefix("Basic ")
    token = shop.test.bearer
    for good in (f"basic {encoded}", f"BASIC {encoded}", f"Bearer {token}", f"bearer {token}", f"bEaReR {token}"):
        assert (await gate.ask(get(MESSAGES, key=header(good)))).status == 200
    for bad in (
        f"Bearer\t{token}",
        f"Bearer {token} ",
        f"Bearer  {token}",
        f" Bearer {token}",
        f"Bearer{token}",
        f"Bearer\u00a0{token}",
        f"Bearer={token}",
        f'Bearer "{token}"',
        f"Basic\t{encoded}",
        f"Basic {encoded} ",
        f"Basic {encoded}\n",
        f"Basic {encoded.rstrip('=')[:-1]}",
        f"Basic {encoded[:20]} {encoded[20:]}",
        f"Basic {token}",
        f"Bearer {encoded}",
        f"Digest {encoded}",
        f"Token {token}",
        token,
        encoded,
        "Basic",
        "Basic ",
        "Bearer",
        "",
        " ",
    ):
        await gate.refuses(get(MESSAGES, key=header(bad)), 401, "unauthenticated", shop.test.secret)


async def test_row_09_an_authorization_header_of_64_kilobytes_is_too_large(gate: Gate, shop: Tenant) -> None:
    for long in (f"Bearer {'a' * 65_536}", f"{basic(shop.test)['authorization']}{' ' * 65_536}"):
        await gate.refuses(post(MESSAGE, key=header(long)), 431, "headers-too-large")


STRANGE: Final[list[str | bytes]] = [
    b"Bearer \xe9" + STRANGER.bearer.encode(),
    b"Bearer \xef\xbb\xbf" + STRANGER.bearer.encode(),
    STRANGER.bearer.encode("utf-16"),
    b"Bearer " + STRANGER.bearer.encode("utf-16-be"),
    b"Bearer " + STRANGER.bearer.replace("mgw", "\uff4d\uff47\uff57").encode(),
    b"Bearer " + STRANGER.bearer[:-1].encode() + b"\x00",
    b"Bearer \x00",
    b"\x00",
    b"\xff\xfe",
    b"Ba\x00sic YQ==",
    pair(USER + "\x00", PASSWORD),
    pair(USER, PASSWORD + "\x00"),
    pair(USER, PASSWORD[:-1] + "\u00e9"),
    pair(USER.replace("mgw", "\u043cgw"), PASSWORD),
    pair(USER, PASSWORD.translate({ord(digit): 0x0660 + int(digit) for digit in "0123456789"})),
    pair(b"\xff\xfe", b"\x80"),
    pair(b"\x00", b"\x00"),
    "Basic \u00e9\u00e9\u00e9\u00e9",
    "Basic YQ==\x00",
    "Basic ====",
]


@pytest.mark.parametrize("value", STRANGE)
async def test_row_10_a_key_with_strange_bytes_is_no_key(gate: Gate, value: str | bytes) -> None:
    await gate.refuses(post(MESSAGE, key=header(value)), 401, "unauthenticated")


async def test_row_12_a_key_does_what_its_scopes_say_and_nothing_more(
    gate: Gate, shop: Tenant, database: Engine
) -> None:
    admin = Administration(database, ())
    made = [
        await admin.create_key(account=shop.name, mode=KeyMode.TEST, scopes=[scope])
        for scope in (Scope.MESSAGES_READ, Scope.MESSAGES_WRITE)
    ]
    reader, writer = [of(each.credentials) for each in made]
    ops = of(await ops_key(database))
    one = f"{MESSAGES}/{(await gate.accepts(post(MESSAGE, key=writer)))['id']}"
    for asked in (
        post(MESSAGE, key=reader),
        post(MESSAGE, ("x-http-method-override", "POST"), key=reader),
        Asked(target=f"{one}/cancel", headers=reader),
        Asked(target=f"{one}/redrive", headers=reader),
        Asked(target=f"{one}/redrive", headers=writer),
        get(MESSAGES, key=writer),
        get(one, key=writer),
        get(f"{one}/events", key=writer),
        get(f"{MESSAGES}?account={'0' * 8}-0000-0000-0000-{'0' * 12}", key=reader),
        post(MESSAGE, key=ops),
        Asked(target=f"{one}/cancel", headers=ops),
        Asked(target=f"{one}/redrive", headers=ops),
    ):
        await gate.refuses(asked, 403, "forbidden")
