"""Rows 14 to 21 and 26 of the attack plan: bytes that are no JSON, JSON that is no message, and everything between."""

from __future__ import annotations

from typing import Final

import pytest

from tests.attack.asgi import Headers
from tests.attack.gate import CANARY, MESSAGE, Gate, near, post, write

KIB: Final = 1024

CONTROLS: Final[list[tuple[str, bytes]]] = [
    ("/body", near(body=r'"a\u0000b"')),
    ("/body", near(body=r'"\u0000"')),
    ("/body", near(body=r'"a\u0001b"')),
    ("/body", near(body=r'"a\u0008b"')),
    ("/body", near(body=r'"a\u000bb"')),
    ("/body", near(body=r'"a\fb"')),
    ("/body", near(body=r'"\u001b[31mred"')),
    ("/body", near(body=r'"a\u007fb"')),
    ("/from", near(**{"from": r'"+1206\u00005550188"'})),
    ("/from", near(**{"from": r'"ACME\u0000"'})),
    ("/to", near(to=r'"+13125550143\u0000"')),
    ("/to", near(to=r'"\u0000"')),
    ("/client_reference", near(client_reference=r'"order\u00007"')),
    ("/client_reference", near(client_reference=r'"order\n7"')),
    ("/client_reference", near(client_reference=r'"order\u202e7"')),
    ("/client_reference", near(client_reference=r'"order\u20287"')),
    ("/metadata", near(metadata=r'{"te\u0000am":"billing"}')),
    ("/metadata", near(metadata=r'{"\u0000":""}')),
    ("/metadata", near(metadata=r'{"team":"bill\u0000ing"}')),
    ("/metadata", near(metadata=r'{"team":"bill\u001bing"}')),
    ("/delivery_guarantee", near(delivery_guarantee=r'"at_most_once\u0000"')),
    ("/send_at", near(send_at=r'"2030-01-01T00:00:00Z\u0000"')),
    ("/expires_at", near(expires_at=r'"\u0000"')),
    ("", near(**{r"bo\u0000dy": '"x"'})),
]


@pytest.mark.parametrize(("pointer", "body"), CONTROLS)
async def test_row_14_control_characters_are_refused_by_field(
    gate: Gate, test_key: Headers, pointer: str, body: bytes
) -> None:
    answer = await gate.refuses(post(body, key=test_key), 422, "validation-failed")
    assert pointer in {error["pointer"] for error in answer.document["errors"]}


async def test_row_14_line_breaks_and_tabs_are_text(gate: Gate, test_key: Headers) -> None:
    message = await gate.accepts(post({**MESSAGE, "body": "one\r\ntwo\n\tthree\r"}, key=test_key))
    assert message["body"] == "one\r\ntwo\n\tthree\r"


def inside(data: bytes) -> bytes:
    """Put raw bytes into the message's text."""
    return near(body=b'"a ' + data + b' b"')


NO_UNICODE: Final = [
    near(body=rf'"{CANARY} \ud800"'),
    near(body=r'"\udfff"'),
    near(body=r'"\ud83dx"'),
    near(body=r'"\ude00\ud83d"'),
    near(body=r'"\ud83d\ud83d\ude00"'),
    near(body=r'"\uD800\u0000"'),
    near(client_reference=r'"\udc00"'),
    near(**{"from": r'"\ud800"'}),
    near(metadata=r'{"\ud800":"x"}'),
    near(metadata=r'{"x":"\ud800"}'),
    near(**{r"\ud800": '"x"'}),
    inside(b"\xed\xa0\x80"),
    inside(b"\xed\xbf\xbf"),
    inside(b"\xed\xa0\xbd\xed\xb8\x80"),
]


@pytest.mark.parametrize("body", NO_UNICODE)
async def test_row_15_half_of_a_surrogate_pair_is_no_character(gate: Gate, test_key: Headers, body: bytes) -> None:
    await gate.refuses(post(body, key=test_key), 400, "invalid-json")


async def test_row_15_a_whole_surrogate_pair_is_one(gate: Gate, test_key: Headers) -> None:
    message = await gate.accepts(post(near(body=r'"\ud83d\ude00"'), key=test_key))
    assert message["body"] == "\U0001f600"


NO_UTF8: Final = [
    inside(b"\xc0\x80"),
    inside(b"\xc0\xaf"),
    inside(b"\xc1\xbf"),
    inside(b"\xe0\x80\xaf"),
    inside(b"\xe0\x9f\xbf"),
    inside(b"\xf0\x80\x80\xaf"),
    inside(b"\xf0\x8f\xbf\xbf"),
    inside(b"\xf4\x90\x80\x80"),
    inside(b"\xf5\x80\x80\x80"),
    inside(b"\xf8\x88\x80\x80\x80"),
    inside(b"\xfc\x84\x80\x80\x80\x80"),
    inside(b"\xfe"),
    inside(b"\xff"),
    inside(b"\x80"),
    inside(b"\xbf"),
    inside(b"\xe2\x82"),
    inside(b"\xf0\x9f\x98"),
    inside(b"\xc3"),
    inside("café".encode("latin-1")),
    near(metadata=b'{"\xff":"x"}'),
    near(**{"from": b'"\xc0\x80"'}),
    near() + b"\xff",
    b"\xff" + near(),
    near()[:-2] + b"\xc3",
]


@pytest.mark.parametrize("body", NO_UTF8)
async def test_row_16_a_body_that_is_no_utf_8_is_no_json(gate: Gate, test_key: Headers, body: bytes) -> None:
    await gate.refuses(post(body, key=test_key), 400, "invalid-json")


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "cp037"]
)
async def test_row_17_json_in_another_encoding_is_no_json(gate: Gate, test_key: Headers, encoding: str) -> None:
    await gate.refuses(post(write(MESSAGE).decode().encode(encoding), key=test_key), 400, "invalid-json")


TWICE: Final = [
    near()[:-1] + b',"to":"+13125550199"}',
    near()[:-1] + b',"to":"+13125550143"}',
    near()[:-1] + rb',"t\u006f":"+13125550199"}',
    near()[:-1] + rb',"\u0066rom":"+12065550199"}',
    b'{"to":null,' + near()[1:],
    b'{"body":1,' + near()[1:],
    near(metadata='{"team":"a","team":"b"}'),
    near(metadata='{"team":"a","x":"y","team":"a"}'),
    near(metadata=r'{"team":"a","\u0074eam":"b"}'),
    near(metadata='{"":"a","":"b"}'),
    near(metadata='{"__proto__":"a","__proto__":"b"}'),
    near(metadata='{"a":{"b":1,"b":2}}'),
    near(metadata='[{"b":1,"b":2}]'),
    near(other='{"b":[[{"c":{},"c":[]}]]}'),
    b'{"a":1,"a":2}',
    b"{" + b",".join([b'"to":"+13125550143"'] * 1_000) + b"}",
]


@pytest.mark.parametrize("body", TWICE)
async def test_row_18_duplicate_keys_are_refused(gate: Gate, test_key: Headers, body: bytes) -> None:
    await gate.refuses(post(body, key=test_key), 400, "invalid-json")


async def test_row_18_keys_that_only_look_alike_are_not_duplicates(gate: Gate, test_key: Headers) -> None:
    metadata = {
        "team": '"to":1,"to":2',
        "Team": "b",
        "te\u0301am": "c",
        "t\u00e9am": "d",
        "to": "e",
        r"\"to": '{"a":1,"a":2}',
    }
    message = await gate.accepts(post({**MESSAGE, "metadata": metadata}, key=test_key))
    assert message["metadata"] == metadata


NO_NUMBER: Final = [
    "NaN", "nan", "-NaN", "Infinity", "-Infinity", "+Infinity", "inf", "1e400", "-1e400", "1E+999", "1e99999999999",
    "01", "-01", "+1", ".5", "1.", "1.e1", "1e", "1e+", "--1", "0x10", "0b1", "1_000", "1,000", "\uff11", "\u0663",
    "1 2", "1n",
]  # fmt: skip


@pytest.mark.parametrize("number", NO_NUMBER)
async def test_row_19_what_is_no_json_number_is_refused(gate: Gate, test_key: Headers, number: str) -> None:
    for body in (near(max_segments=number), near(metadata=f'{{"x":{number}}}'), near(validity_seconds=f"[{number}]")):
        await gate.refuses(post(body, key=test_key), 400, "invalid-json")


NO_COUNT: Final = [
    "-1", "0", "-0", "-0.0", "2147483647", "2147483648", "-2147483649", "4294967296", "9223372036854775807",
    "9223372036854775808", "18446744073709551615", "18446744073709551616", "-9223372036854775809", "9" * 30, "9" * 300,
    "1.0", "1.5", "2e0", "1e0", "1e-400", "1e308", "0.9999999999999999999", "true", "false", '"2"', '"2 "', '"two"',
    '""', "[]", "[2]", "{}", '{"$gt":0}', '"\\u0032"',
]  # fmt: skip


@pytest.mark.parametrize("field", ["max_segments", "validity_seconds"])
async def test_row_20_what_is_no_count_in_its_bounds_is_refused(gate: Gate, test_key: Headers, field: str) -> None:
    for number in NO_COUNT:
        answer = await gate.refuses(post(near(**{field: number}), key=test_key), 422, "validation-failed")
        assert [error["pointer"] for error in answer.document["errors"]] == [f"/{field}"], number


@pytest.mark.parametrize("digits", [400, 5_000, 60_000])
async def test_row_20_a_number_beyond_all_numbers_is_no_json(gate: Gate, test_key: Headers, digits: int) -> None:
    for number in ("9" * digits, "-" + "9" * digits, "9" * digits + ".5", "9" * digits + "e1"):
        await gate.refuses(post(near(max_segments=number), key=test_key), 400, "invalid-json")


TEXTS: Final = ["from", "to", "body", "client_reference", "delivery_guarantee", "send_at", "expires_at"]


@pytest.mark.parametrize("field", TEXTS)
async def test_row_20_no_other_type_passes_for_a_text(gate: Gate, test_key: Headers, field: str) -> None:
    for value in ("7", "-1", "1.5", "true", "false", "[]", '["x"]', "{}", '{"x":"y"}'):
        answer = await gate.refuses(post(near(**{field: value}), key=test_key), 422, "validation-failed")
        assert [error["pointer"] for error in answer.document["errors"]] == [f"/{field}"], value


def nested(depth: int, opening: str = "[", middle: str = "", closing: str = "]") -> str:
    return opening * depth + middle + closing * depth


ENDLESS: Final = ["[" * 60_000, '{"a":' * 12_000, nested(30_000), nested(1_025), nested(1_025, '{"a":', "1", "}")]
TOO_DEEP: Final = [
    nested(17),
    nested(17, '{"a":', "1", "}"),
    nested(9, '[{"a":', "1", "}]"),
    nested(500),
    nested(1_000),
]


async def test_row_21_what_is_nested_without_end_is_no_json(gate: Gate, test_key: Headers) -> None:
    for text in ENDLESS:
        for body in (text.encode(), near(metadata=text), near(other=text)):
            await gate.refuses(post(body, key=test_key), 400, "invalid-json")


async def test_row_21_what_is_nested_too_deep_is_refused(gate: Gate, test_key: Headers) -> None:
    for text in TOO_DEEP:
        for body in (text.encode(), near(metadata=text), near(other=text), near(metadata=f'{{"a":{text}}}')):
            answer = await gate.refuses(post(body, key=test_key), 422, "validation-failed")
            assert [error["code"] for error in answer.document["errors"]] == ["too-deep"]
    for body in (nested(16).encode(), near(metadata=nested(15))):
        answer = await gate.refuses(post(body, key=test_key), 422, "validation-failed")
        assert "too-deep" not in {error["code"] for error in answer.document["errors"]}


async def test_row_21_brackets_within_a_text_are_no_depth(gate: Gate, test_key: Headers) -> None:
    message = await gate.accepts(post({**MESSAGE, "body": '[{"' * 20 + '\\"' * 20, "max_segments": 10}, key=test_key))
    assert message["body"] == '[{"' * 20 + '\\"' * 20


NO_OBJECT: Final[list[tuple[bytes, int, str]]] = [
    (b"", 400, "invalid-json"),
    (b" \r\n\t", 400, "invalid-json"),
    (b"\x00", 400, "invalid-json"),
    (b"{", 400, "invalid-json"),
    (b"}", 400, "invalid-json"),
    (b'"', 400, "invalid-json"),
    (b"nul", 400, "invalid-json"),
    (b"None", 400, "invalid-json"),
    (b"undefined", 400, "invalid-json"),
    (b"from=%2B12065550188&to=%2B13125550143&body=kumquat-0f3a9c", 400, "invalid-json"),
    (b"<message>kumquat-0f3a9c</message>", 400, "invalid-json"),
    (b"--boundary\r\n", 400, "invalid-json"),
    (near()[:-1], 400, "invalid-json"),
    (near()[1:], 400, "invalid-json"),
    (near() + b"}", 400, "invalid-json"),
    (near() * 2, 400, "invalid-json"),
    (near() + b"\n" + near(), 400, "invalid-json"),
    (near()[:-1] + b",}", 400, "invalid-json"),
    (near().replace(b'"', b"'"), 400, "invalid-json"),
    (near().replace(b":", b"=", 1), 400, "invalid-json"),
    (b"/* note */" + near(), 400, "invalid-json"),
    (near() + b" // note", 400, "invalid-json"),
    (b")]}',\n" + near(), 400, "invalid-json"),
    (near(body=b'"a\nb"'), 400, "invalid-json"),
    (near(body=b'"a\x00b"'), 400, "invalid-json"),
    (near(body=rb'"\x41"'), 400, "invalid-json"),
    (near(body=rb'"\u12"'), 400, "invalid-json"),
    (near(body=b'"\\"'), 400, "invalid-json"),
    (b"[]", 422, "validation-failed"),
    (b"null", 422, "validation-failed"),
    (b'""', 422, "validation-failed"),
    (b"0", 422, "validation-failed"),
    (b"true", 422, "validation-failed"),
    (b"{}", 422, "validation-failed"),
    (b"[" + near() + b"]", 422, "validation-failed"),
    (write(near().decode()), 422, "validation-failed"),
    (b'{"message":' + near() + b"}", 422, "validation-failed"),
]


@pytest.mark.parametrize(("body", "status", "code"), NO_OBJECT)
async def test_row_26_a_body_that_is_not_one_json_object_is_refused(
    gate: Gate, test_key: Headers, body: bytes, status: int, code: str
) -> None:
    await gate.refuses(post(body, key=test_key), status, code)
