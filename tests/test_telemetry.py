"""Log lines as they leave the process: canaries through every route, and harmless things left alone."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from uuid import UUID

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import telemetry
from app.telemetry.masking import Logged, mask_fields, mask_text

NUMBER = "+15555550100"
KEY = "mgw_live_0aB1cD2eF3gH"
KEY_SECRET = "Zz0123456789abcdefghijklmnopqrstuvwxyz"
BODY = "your code is kumquat"
HIDDEN = "[hidden]"

Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, sys.excepthook
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook = hook
    logging.captureWarnings(capture=False)
    logging.getLogger("uvicorn.access").disabled = False
    structlog.reset_defaults()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return lambda: capsys.readouterr().err.splitlines()  # noqa: PLW0108  # what is read must be what comes later


def the_event(lines: Lines) -> dict[str, Logged]:
    (line,) = lines()
    event: dict[str, Logged] = json.loads(line)
    return event


# Numbers


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+15555550100", "+***00"),
        ("to +15555550100, twice", "to +***00, twice"),
        ("tel:+15555550100;ext=1", "tel:+***00;ext=1"),
        ("+4930901820", "+***20"),
        ("+49 30 901820", "+***20"),
        ("+1 (555) 555-0100", "+***00"),
        ("+1.5555550100", "+***00"),
        ("+44\u00a07700\u2013900123", "+***23"),
        ("%2B15555550100", "%2B***00"),
        ('"\\u002b15555550100"', '"\\u002b***00"'),
        ("\uff0b\uff11\uff15\uff15\uff15\uff15\uff15\uff15\uff10\uff11\uff10\uff17", "\uff0b***\uff10\uff17"),
        ("+1555\u200b555\u20600100", "+***00"),
        ("+\u0661\u0665\u0665\u0665\u0665\u0665\u0665\u0660\u0661\u0660\u0660", "+***\u0660\u0660"),
        ("15555550100", "***00"),
        ("number_15555550100", "number_***00"),
        ("0015555550100", "***00"),
        ("b'15555550100'", "b'***00'"),
        ("hello\\n15555550100", "hello\\n***00"),
        ("hello\\u00e915555550100", "hello\\u00e9***00"),
        ("To=%2B15555550100&From=15555550101&n=1", "To=%2B***00&From=***01&n=1"),
        ("(555) 555-0100", "***00"),
        ("555-555-0100", "***00"),
        ("1-555-555-0100", "***00"),
        ("07700 900123", "***23"),
        ("98765432", "***32"),
        ("https://provider.example/lookup/+15555550100?x=1", "https://provider.example/lookup/+***00?x=1"),
        ("2026-11-03T12:00:00Z +15555550100", "2026-11-03T12:00:00Z +***00"),
        ("2026-11-03 12:00:00+15555550100", "2026-11-03 12:00:00+***00"),
    ],
)
def test_numbers_keep_their_last_two_digits(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "0192f7c4-5b6a-7def-8123-456789abcdef",
        "12345678-1234-7234-8234-123456789012",
        "12345678-1234-7234-8234-123456789012.1",
        "2026-11-03",
        "2026-11-03T12:34:56.123456Z",
        "2026-11-03 12:34:56,123 +0000",
        "2026-11-03T12:34:56+00:00",
        "20261103",
        "20261103123456",
        "1793620800",
        "1793620800123",
        "1793620800123456",
        "0.123456789",
        "took 12.5 ms",
        "1234567",
        "32665",
        "127.0.0.1:54321",
        "192.168.100.200",
        "2001:db8::8a2e:370:7334",
        "SM0123456789abcdef0123456789abcdef",
        "d41d8cd98f00b204e9800998ecf8427e",
        "a9993e364706816aba3e25717850c26c9cd0d89d",
        "0x7f1234567890",
        "+1***00",
        "HTTP/1.1 503 after 3 of 10 attempts",
        "page 1 2 3 4 5 6 7 8",
    ],
)
def test_what_only_looks_like_a_number_is_left_alone(text: str) -> None:
    assert mask_text(text) == text


def test_masking_twice_changes_nothing() -> None:
    once = mask_text(f"{NUMBER} {KEY} Bearer abc postgresql://a:b@c/d password=x")
    assert mask_text(once) == once


# Secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"key {KEY} used", "key [hidden] used"),
        (f"{KEY}_{KEY_SECRET}", HIDDEN),
        (f"{KEY}:{KEY_SECRET}", HIDDEN),
        (f"secret {KEY_SECRET}.", "secret [hidden]."),
        ("mgw_test_0aB1cD2eF3gH", HIDDEN),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", HIDDEN),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: [hidden]"),
        ("{'authorization': 'App 0a1b2c'}", "{'authorization': '[hidden]'}"),
        ('{\\"Authorization\\": \\"Bearer abc.def-ghi\\"}', '{\\"Authorization\\": \\"[hidden]\\"}'),
        ("sent bearer abcdef", "sent bearer [hidden]"),
        ("basic authentication failed", "basic authentication failed"),
        ("postgresql://gateway:hunter2@db:5432/gateway", "postgresql://[hidden]@db:5432/gateway"),
        ("https://user:p@ss@provider.example/x", "https://[hidden]@provider.example/x"),
        ("https://provider.example/x?a=b@c", "https://provider.example/x?a=b@c"),
        ("dsn host=db password=hunter2 user=a", "dsn host=db password=[hidden] user=a"),
        ("GET /x?access_token=abc&y=1&api_key=def", "GET /x?access_token=[hidden]&y=1&api_key=[hidden]"),
        ("Config(auth_token='a b', body=\"it's\", url='x')", "Config(auth_token=[hidden], body=[hidden], url='x')"),
        ('{"to":"x","text":"hello there","n":1}', '{"to":"x","text":[hidden],"n":1}'),
        ('"{\\"body\\": \\"hello there\\"}"', '"{\\"body\\": [hidden]}"'),
        ("Send(body=None, context=x)", "Send(body=None, context=x)"),
        (
            "/v1/webhooks/p/0192f7c4-5b6a-7def-8123-456789abcdef.1.AbCdEfGhIjKlMnOpQrSt-_",
            "/v1/webhooks/p/0192f7c4-5b6a-7def-8123-456789abcdef.1.[hidden]",
        ),
    ],
)
def test_secrets_in_texts_are_hidden(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "key",
    [
        "body",
        "body2",
        "texts",
        "Authorization",
        "password",
        "secret",
        "token",
        "key",
        "signature",
        "api_key",
        "apiKey",
        "x-api-key",
        "X-Twilio-Signature",
        "callback_secret",
        "accessToken",
        "AUTH_TOKEN",
    ],
)
@pytest.mark.parametrize("value", ["kumquat", b"kumquat", 4242, 4.2, ["kumquat"], {"a": "kumquat"}, True])
def test_a_key_that_says_secret_hides_any_value(key: str, value: object) -> None:
    assert mask_fields({"outer": [{key: value}]}) == {"outer": [{key: HIDDEN}]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("token", None),
        ("key_id", "0aB1cD2eF3gH"),
        ("body_length", 12),
        ("text_segments", 2),
        ("context", "x"),
        ("count", 123456789012),
        ("count", "123456789012"),
        ("provider_message_id", "123456789012"),
        ("port", 54321),
        ("duration_ns", 12345678901),
        ("elapsed", 12345678.25),
        ("attempt_number", 1),
        ("created_at", "20261103"),
        ("ok", True),
    ],
)
def test_harmless_values_are_left_alone(key: str, value: Logged) -> None:
    assert mask_fields({key: value}) == {key: value}


@dataclass
class Stranger:
    """Something whose text tells more than it should."""

    to: str = NUMBER


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        (NUMBER, "+***00"),
        (NUMBER.encode(), "+***00"),
        ([NUMBER, (NUMBER,)], ["+***00", ["+***00"]]),
        ({NUMBER}, ["+***00"]),
        ({NUMBER: {"a": NUMBER}}, {"+***00": {"a": "+***00"}}),
        ({15555550100: 1}, {"***00": 1}),
        (ValueError(f"no {NUMBER}"), "ValueError: no +***00"),
        (Stranger(), "Stranger(to='+***00')"),
        (UUID("12345678-1234-7234-8234-123456789012"), "12345678-1234-7234-8234-123456789012"),
        (datetime(2026, 11, 3, 12, 0, tzinfo=UTC), "2026-11-03T12:00:00+00:00"),
        (timedelta(seconds=90), "0:01:30"),
        (Decimal("0.0075"), "0.0075"),
        (ip_address("127.0.0.1"), "127.0.0.1"),
        (float("nan"), "nan"),
        (b"\xff\xfe", "\\xff\\xfe"),
    ],
    ids=repr,
)
def test_values_of_every_kind_become_plain_and_masked(value: object, masked: Logged) -> None:
    assert mask_fields({"seen": value}) == {"seen": masked}


@pytest.mark.parametrize("key", ["to", "from", "from_", "recipient", "sender", "phone_number", "msisdn"])
def test_a_number_under_its_own_key_is_masked_even_as_an_integer_or_without_country(key: str) -> None:
    assert mask_fields({key: 15555550100}) == {key: "***00"}
    assert mask_fields({key: ["1512345678"]}) == {key: ["***78"]}
    assert mask_fields({key: 32665}) == {key: 32665}


def test_values_that_contain_themselves_end() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert HIDDEN in json.dumps(mask_fields({"endless": endless}))


def test_a_text_is_cut_without_leaving_half_a_number() -> None:
    masked = mask_text("." * 19_995 + NUMBER + "." * 10_000)
    assert masked == "." * 19_995 + "+***0" + " [cut]"


@pytest.mark.parametrize(
    "unit", ["a", "1", "\u0661", "a.", "+1", "+1 ", "1-", "mgw_live_", "a://", "body='", 'body=\\"', "bearer ", "0700 "]
)
def test_no_text_takes_long_to_mask(unit: str) -> None:
    start = time.process_time()
    mask_text(unit * (20_000 // len(unit)))
    assert time.process_time() - start < 1


@given(before=st.text(), after=st.text())
def test_a_number_with_its_plus_is_masked_in_any_surroundings(before: str, after: str) -> None:
    assert "5555550100" not in mask_text(before + NUMBER + after)
    assert "5555550100" not in json.dumps(mask_fields({"provider_message_id": before + NUMBER + after}))


# Lines


def test_a_line_of_our_own_has_its_fields_in_order(lines: Lines) -> None:
    telemetry.configure(json=True, component="worker")
    with telemetry.bind(request_id="r1"):
        telemetry.get_logger("app.worker").info("message sent", segments=2)
    event = the_event(lines)
    assert list(event)[:5] == ["timestamp", "level", "component", "logger", "event"]
    moment = datetime.fromisoformat(str(event.pop("timestamp")))
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert event == {
        "level": "info",
        "component": "worker",
        "logger": "app.worker",
        "event": "message sent",
        "segments": 2,
        "request_id": "r1",
    }


@pytest.mark.parametrize("name", ["uvicorn.error", "alembic.runtime", "asyncio", "sqlalchemy.pool", "aiohttp.client"])
def test_a_library_s_line_has_the_same_shape(lines: Lines, name: str) -> None:
    telemetry.configure(json=True, component="api")
    with telemetry.bind(request_id="r1"):
        logging.getLogger(name).warning("seen %s by %d", NUMBER, 3, extra={"recipient": NUMBER, "color_message": "x"})
    event = the_event(lines)
    assert list(event)[:5] == ["timestamp", "level", "component", "logger", "event"]
    assert (event["level"], event["component"], event["logger"]) == ("warning", "api", name)
    assert (event["event"], event["recipient"], event["request_id"]) == ("seen +***00 by 3", "+***00", "r1")
    assert "color_message" not in event


def test_access_lines_are_silenced_and_levels_are_kept(lines: Lines) -> None:
    telemetry.configure(json=True, level="warning", component="api")
    logging.getLogger("uvicorn.access").error("GET /v1/messages?to=%s", NUMBER)
    logging.getLogger("uvicorn.error").info("started")
    telemetry.get_logger("app").info("quiet")
    telemetry.get_logger("app").warning("loud")
    assert the_event(lines)["event"] == "loud"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="CHATTY"):
        telemetry.configure(json=True, level="chatty", component="api")


def test_configuring_again_does_not_double_the_lines(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    telemetry.configure(json=True, component="worker")
    telemetry.get_logger("app").info("once")
    assert the_event(lines)["component"] == "worker"


def test_fields_are_bound_for_the_block_only(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    with telemetry.bind(request_id="r1", message_id="m1"), telemetry.bind(message_id="m2"):
        telemetry.get_logger("app").info("inside")
    telemetry.get_logger("app").info("outside")
    inside, outside = (json.loads(line) for line in lines())
    assert (inside["request_id"], inside["message_id"]) == ("r1", "m2")
    assert "request_id" not in outside
    assert "message_id" not in outside


def test_without_a_terminal_lines_are_json(lines: Lines) -> None:
    telemetry.configure(component="api")
    telemetry.get_logger("app").info("hello")
    assert the_event(lines)["event"] == "hello"


def test_at_a_terminal_lines_are_coloured(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    telemetry.configure(component="api")
    telemetry.get_logger("app").info("hello", to=NUMBER)
    (line,) = lines()
    assert "\x1b[" in line
    assert "hello" in line
    assert "+***00" in line


# Canaries

CANARIES = ("5555550100", "kumquat", KEY, KEY_SECRET, "hunter2", "dXNlcjpwYXNz")
LOADED = f"{NUMBER} 15555550100 {KEY}_{KEY_SECRET} postgresql://gateway:hunter2@db/x Basic dXNlcjpwYXNz body='{BODY}'"


def refuse(message: str = LOADED) -> None:
    cause = KeyError(message)
    cause.add_note(message)
    raise ValueError(message) from cause


def log_structured() -> None:
    telemetry.get_logger("app").info("value", seen=LOADED, body=BODY, bodies=[BODY])


def log_event() -> None:
    telemetry.get_logger("app").info(LOADED)


def log_event_with_arguments() -> None:
    telemetry.get_logger("app").info("seen %s", LOADED)


def log_nested() -> None:
    telemetry.get_logger("app").info("nested", seen=[{"a": ({LOADED: LOADED, "text": {"x": BODY}},)}])


def log_bound() -> None:
    with telemetry.bind(seen=LOADED):
        telemetry.get_logger("app").info("bound")


def log_exception() -> None:
    try:
        refuse()
    except ValueError:
        telemetry.get_logger("app").exception("failed")


def log_exception_value() -> None:
    telemetry.get_logger("app").error("failed", error=ValueError(LOADED), cause=[ValueError(LOADED)])


def log_stack() -> None:
    telemetry.get_logger("app").info("stack", stack_info=True, seen=LOADED)


def log_library() -> None:
    logging.getLogger("sqlalchemy.engine").error("%s %r", LOADED, {"to": LOADED})


def log_library_exception() -> None:
    try:
        refuse()
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved: %s", LOADED)


def log_library_object() -> None:
    logging.getLogger("uvicorn.error").error(ValueError(LOADED), extra={"seen": {"a": LOADED}})


def log_broken_arguments() -> None:
    root = logging.getLogger()
    # The test runner's own handlers would raise.
    root.handlers[:] = [handler for handler in root.handlers if type(handler).__module__.startswith("app.")]
    logging.getLogger("alembic").error("%d", LOADED)


def log_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(LOADED, stacklevel=1)


def log_uncaught() -> None:
    try:
        refuse()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)


def log_unicode() -> None:
    telemetry.get_logger("app").info("h\u00e9llo \U0001f600 \ud800", seen="\u202e\u200b+1555\u200b5550100")


ROUTES = [
    log_structured,
    log_event,
    log_event_with_arguments,
    log_nested,
    log_bound,
    log_exception,
    log_exception_value,
    log_stack,
    log_library,
    log_library_exception,
    log_library_object,
    log_broken_arguments,
    log_warning,
    log_uncaught,
    log_unicode,
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
def test_no_canary_gets_into_a_line_by_any_route(lines: Lines, route: Callable[[], None], as_json: bool) -> None:
    telemetry.configure(json=as_json, component="api")
    route()
    written = lines()
    assert written
    for line in written:
        plain = json.dumps(json.loads(line), ensure_ascii=False) if as_json else line
        assert [canary for canary in CANARIES if canary in plain.replace("\x1b", "")] == []


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_gives_one_line_of_json(lines: Lines, route: Callable[[], None]) -> None:
    telemetry.configure(json=True, component="api")
    route()
    assert the_event(lines)["level"]


def test_a_traceback_keeps_what_is_needed_to_find_the_fault(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    log_exception()
    text = str(the_event(lines)["exception"])
    assert "in refuse" in text
    assert "test_telemetry.py" in text
    assert "ValueError: +***00" in text


INJECTED = 'a\r\n{"level":"info","event":"forged"}\n\x1b[31mred\x1b[0m\x00\x9b31m\u2028b'


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(event=st.text(), fields=st.dictionaries(st.text(min_size=1), ANYTHING, max_size=3))
def test_whatever_is_logged_gives_one_line(lines: Lines, as_json: bool, event: str, fields: dict[str, object]) -> None:
    telemetry.configure(json=as_json, component="api")
    telemetry.get_logger("app").info(event.replace("%", "%%"), seen=fields)
    (line,) = lines()
    if as_json:
        assert json.loads(line)["component"] == "api"


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
def test_nothing_that_is_logged_breaks_or_colours_its_line(lines: Lines, as_json: bool) -> None:
    telemetry.configure(json=as_json, component="api")
    telemetry.get_logger("app").info(INJECTED, seen=INJECTED, nested=[{INJECTED: INJECTED}])
    logging.getLogger(INJECTED).info("%s", INJECTED)
    written = lines()
    assert len(written) == 2
    for line in written:
        assert "\x1b[31mred" not in line
        assert not set(line) & {"\r", "\x00", "\x9b", "\u2028"}


def test_a_traceback_on_the_console_stays_behind_its_margin(lines: Lines) -> None:
    telemetry.configure(json=False, component="api")
    try:
        refuse(INJECTED)
    except ValueError:
        telemetry.get_logger("app").exception("failed")
    first, *rest = lines()
    assert "failed" in first
    assert rest
    assert [line for line in rest if not line.startswith("    | ")] == []
    assert "\x1b" not in "".join(rest)


def test_a_line_that_cannot_be_written_is_reported_without_its_content(lines: Lines) -> None:
    telemetry.configure(json=True, component="api")
    log_broken_arguments()
    event = the_event(lines)
    assert (event["level"], event["event"], event["error"]) == ("error", "log line lost", "TypeError")


def test_a_process_that_dies_says_so_in_one_masked_line() -> None:
    program = f"""
        from app import telemetry
        telemetry.configure(json=True, component="worker")
        raise RuntimeError("{NUMBER}")
    """
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=60
    )
    (line,) = ended.stderr.splitlines()
    event = json.loads(line)
    assert (ended.returncode, event["level"], event["event"]) == (1, "critical", "uncaught exception")
    assert "RuntimeError: +***00" in event["exception"]
    assert "5555550100" not in line
