"""Rows 27 to 32 of the attack plan: fields that are not the caller's, and numbers, senders and texts with a twist."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from app.store.engine import Engine
from tests.attack.asgi import MESSAGES, Headers
from tests.attack.gate import MESSAGE, Gate, get, post
from tests.support.gateway import Tenant

FOREIGN: Final = [
    "status", "tenant_id", "account_id", "account", "id", "message_id", "created_at", "updated_at", "sent_at",
    "final_at", "provider", "lane", "test", "mode", "direction", "encoding", "segments", "attempts", "error_code",
    "possible_duplicate", "sender", "recipient", "From", "TO", "from_", "Body", " body", "body ", "body\u200b",
    "b\u043edy", "text", "message", "__class__", "__proto__", "constructor", "$set", "self", "model_config", "*",
    "/to", "~1to", "", "a" * 1_000,
]  # fmt: skip


@pytest.mark.parametrize("value", ["delivered", None, True])
async def test_row_27_a_field_that_is_not_the_callers_is_refused_not_ignored(
    gate: Gate, test_key: Headers, live_key: Headers, value: object
) -> None:
    for key in (test_key, live_key):
        for name in FOREIGN:
            answer = await gate.refuses(post({**MESSAGE, name: value}, key=key), 422, "validation-failed")
            assert [error["pointer"] for error in answer.document["errors"]] == [""]


async def test_row_27_the_inner_names_of_fields_do_not_stand_in_for_the_outer(gate: Gate, test_key: Headers) -> None:
    inner = {"sender": MESSAGE["from"], "recipient": MESSAGE["to"], "body": MESSAGE["body"]}
    await gate.refuses(post(inner, key=test_key), 422, "validation-failed")


@pytest.mark.parametrize(
    "value", ["OTP", "otp ", "", "urgent", "0", 0, -1, True, 1.5, ["otp"], {"rank": 0}, "otp\u0000"]
)
async def test_row_27_a_priority_is_one_of_three_words_or_refused(
    gate: Gate, test_key: Headers, live_key: Headers, value: object
) -> None:
    for key in (test_key, live_key):
        answer = await gate.refuses(post({**MESSAGE, "priority": value}, key=key), 422, "validation-failed")
        assert [error["pointer"] for error in answer.document["errors"]] == ["/priority"]


INVALID: Final = "recipient-invalid"
SHAPELESS: Final = "validation-failed"
NO_RECIPIENT: Final[list[tuple[object, str]]] = [
    ("+1", INVALID),
    ("+", INVALID),
    ("+0", INVALID),
    ("+12", INVALID),
    ("++13125550143", INVALID),
    ("13125550143", INVALID),
    ("0013125550143", INVALID),
    ("01113125550143", INVALID),
    ("3125550143", INVALID),
    ("(312) 555-0143", INVALID),
    ("+1 312 555 0143", INVALID),
    ("+1-312-555-0143", INVALID),
    ("+1.312.555.0143", INVALID),
    (" +13125550143", INVALID),
    ("+13125550143 ", INVALID),
    ("+13125550143;ext=7", INVALID),
    ("+13125550143x7", INVALID),
    ("+13125550143,+13125550144", INVALID),
    ("+13125550143;+13125550144", INVALID),
    ("+15555550100 OR 1=1", INVALID),
    ("+13125550143' OR '1'='1", INVALID),
    ("+13125550143'; DROP TABLE messages;--", INVALID),
    ("+1312555O143", INVALID),
    ("+1312555014e3", INVALID),
    ("+1312555014", INVALID),
    ("+131255501434", INVALID),
    ("+" + "1" * 40, INVALID),
    ("+" + "9" * 15, INVALID),
    ("+" + "9" * 16, INVALID),
    ("1" * 40, INVALID),
    ("+999123456789", INVALID),
    ("+4407400123456", INVALID),
    ("+\u0661\u0663\u0661\u0662\u0665\u0665\u0665\u0660\u0661\u0664\u0663", INVALID),
    ("+1312555014\u0663", INVALID),
    ("+1312555014\u00b3", INVALID),
    ("+\U0001d7cf3125550143", INVALID),
    ("\uff0b13125550143", INVALID),
    ("+\uff11\uff13\uff11\uff12\uff15\uff15\uff15\uff10\uff11\uff14\uff13", INVALID),
    ("\ufe6213125550143", INVALID),
    ("\u207a13125550143", INVALID),
    ("tel:+13125550143", INVALID),
    ("sms:+13125550143", INVALID),
    ("sip:13125550143@example.com", INVALID),
    ("1-800-FLOWERS", INVALID),
    ("kumquat@example.com", INVALID),
    ("http://169.254.169.254/", INVALID),
    ("../../etc/passwd", INVALID),
    ("%2B13125550143", INVALID),
    ("${jndi:ldap://x}", INVALID),
    ("{0.__class__}", INVALID),
    ("<script>alert(1)</script>", INVALID),
    ("#31#+13125550143", INVALID),
    ("*67", INVALID),
    ("3.125550143e9", INVALID),
    ("0x2ba4f5c2f", INVALID),
    ("null", INVALID),
    ("", SHAPELESS),
    ("\n", SHAPELESS),
    ("+13125550143\n", SHAPELESS),
    ("+13125550143\r\nX-Evil: 1", SHAPELESS),
    ("\u200e+13125550143", SHAPELESS),
    ("\u202a+13125550143\u202c", SHAPELESS),
    ("+1312\u200b5550143", SHAPELESS),
    ("+1312\u00a05550143", SHAPELESS),
    ("\ufeff+13125550143", SHAPELESS),
    ("+1\u00ad3125550143", SHAPELESS),
    ("1" * 65, SHAPELESS),
    ("+" + "1" * 10_000, SHAPELESS),
    (["+13125550143"], SHAPELESS),
    ({"number": "+13125550143"}, SHAPELESS),
    (13125550143, SHAPELESS),
    (None, SHAPELESS),
]


@pytest.mark.parametrize(("number", "code"), NO_RECIPIENT)
async def test_row_28_a_recipient_is_e164_exactly_or_refused(
    gate: Gate, test_key: Headers, live_key: Headers, number: object, code: str
) -> None:
    for key in (test_key, live_key):
        answer = await gate.refuses(post({**MESSAGE, "to": number}, key=key), 422, code)
        assert {error["pointer"] for error in answer.document["errors"]} == {"/to"}


async def test_row_28_only_e164_is_ever_stored(gate: Gate, test_key: Headers, database: Engine) -> None:
    await gate.accepts(post(MESSAGE, key=test_key))
    async with database.connect() as connection:
        kept = (await connection.exec_driver_sql("SELECT DISTINCT recipient FROM messages")).scalars().all()
    assert len(kept) > 0
    assert [number for number in kept if not re.fullmatch(r"\+[1-9][0-9]{1,14}", number, re.ASCII)] == []


COSTLY: Final = [
    "+19005550143",
    "+870773111632",
    "+881612345678",
    "+8816234",
    "+882131234567",
    "+88216212345678",
    "+883510012345",
    "+888123456789",
    "+878101234567890",
    "+979123456789",
    "+80012345678",
    "+80812345678",
    "+449098790000",
    "+448431234567",
    "+499001234567",
    "+491805123456",
    "+33899123456",
    "112",
    "911",
    "12345",
    "55555",
    "123456",
]


@pytest.mark.parametrize("number", COSTLY)
async def test_row_29_numbers_that_cost_extra_or_reach_nobody_are_not_texted(
    gate: Gate, test_key: Headers, live_key: Headers, number: str
) -> None:
    for key in (test_key, live_key):
        await gate.refuses(post({**MESSAGE, "to": number}, key=key), 422, "destination-not-allowed")


NO_SENDER: Final = [
    "evil\r\nX-Evil: 1", "evil\n", "\r", "ACME\t", "ACME\u2028", "ACM\u202eE", "\u200b", "A\u200bCME", "\ufeffACME",
    "", "x" * 38, "x" * 10_000,
]  # fmt: skip
NO_LIVE_SENDER: Final = [
    "ABCDEFGHIJKL", "           ", " ", " ACME", "ACME ", "<b>ACME</b>", "ACM\u0416", "\U0001f600", "\u0410CME", "12",
    "123456789", "+1", "+1206555018", "+1 206 555 0188", "12065550188", "++12065550188", "+12065550188 ", "A;B",
    "${x}", "%s",
]  # fmt: skip
NOT_OWNED: Final = ["+12065550199", "+12065550177", "ACME", "acme", "12345", "+442079460000", "OR 1 1"]


@pytest.mark.parametrize("sender", NO_SENDER)
async def test_row_30_what_cannot_be_a_sender_is_refused_for_every_key(
    gate: Gate, test_key: Headers, live_key: Headers, sender: str
) -> None:
    for key in (test_key, live_key):
        answer = await gate.refuses(post({**MESSAGE, "from": sender}, key=key), 422, "validation-failed")
        assert [error["pointer"] for error in answer.document["errors"]] == ["/from"]


@pytest.mark.parametrize("sender", NO_LIVE_SENDER)
async def test_row_30_what_no_network_takes_as_a_sender_is_refused_for_a_live_key(
    gate: Gate, live_key: Headers, sender: str
) -> None:
    answer = await gate.refuses(post({**MESSAGE, "from": sender}, key=live_key), 422, "validation-failed")
    assert [error["pointer"] for error in answer.document["errors"]] == ["/from"]


@pytest.mark.parametrize("sender", NOT_OWNED)
async def test_row_30_another_accounts_sender_is_refused_as_nobodys_is(
    gate: Gate, live_key: Headers, rival: Tenant, sender: str
) -> None:
    assert rival.name == "rival"
    await gate.refuses(post({**MESSAGE, "from": sender}, key=live_key), 403, "sender-not-owned")


TOO_LONG: Final[list[tuple[dict[str, Any], str]]] = [
    ({"body": ""}, "validation-failed"),
    ({"body": "x" * 1_601}, "validation-failed"),
    ({"body": "x" * 60_000, "max_segments": 10}, "validation-failed"),
    ({"body": "x", "max_segments": 11}, "validation-failed"),
    ({"body": "x" * 919}, "message-too-long"),
    ({"body": "x" * 1_531, "max_segments": 10}, "message-too-long"),
    ({"body": "x" * 1_600, "max_segments": 10}, "message-too-long"),
    ({"body": "x" * 161, "max_segments": 1}, "message-too-long"),
    ({"body": "\u20ac" * 81, "max_segments": 1}, "message-too-long"),
    ({"body": "\u20ac" * 766, "max_segments": 10}, "message-too-long"),
    ({"body": "\u0416" * 71, "max_segments": 1}, "message-too-long"),
    ({"body": "\u0416" * 403}, "message-too-long"),
    ({"body": "\u0416" * 671, "max_segments": 10}, "message-too-long"),
    ({"body": "\U0001f600" * 36, "max_segments": 1}, "message-too-long"),
    ({"body": "\U0001f600" * 199}, "message-too-long"),
    ({"body": "\U0001f600" * 1_600, "max_segments": 10}, "message-too-long"),
    ({"body": "e" + "\u0301" * 1_000, "max_segments": 10}, "message-too-long"),
]


@pytest.mark.parametrize(("change", "code"), TOO_LONG)
async def test_row_31_a_text_longer_than_allowed_is_refused(
    gate: Gate, test_key: Headers, change: dict[str, Any], code: str
) -> None:
    await gate.refuses(post({**MESSAGE, **change}, key=test_key), 422, code)


INVISIBLE: Final = [
    " ", "\n", "\r\n\t ", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085", "\u200b", "\u200c\u200d", "\u2060",
    "\ufeff", "\u00ad", "\u200e", "\u200f", "\u202a\u202c", "\u202e", "\u2066\u2069", "\u2061\u2062\u2063\u2064",
    "\u061c", "\u180e", "\u206a", "\ufff9\ufffb", "\U000e0001\U000e0041", "\ufe0f", "\u034f", "\u115f", "\u3164",
    "\uffa0", "\u17b4", "\u200b" * 1_600,
]  # fmt: skip


@pytest.mark.parametrize("text", INVISIBLE)
async def test_row_31_a_text_of_nothing_visible_is_refused(gate: Gate, test_key: Headers, text: str) -> None:
    for body in (text, f" {text}\n{text}"):
        answer = await gate.refuses(post({**MESSAGE, "body": body[:1_600]}, key=test_key), 422, "validation-failed")
        assert [error["pointer"] for error in answer.document["errors"]] == ["/body"]


TEXTS: Final[list[tuple[str, int]]] = [
    ("\U0001f600", 1),
    ("\U0001f600" * 35, 1),
    ("\U0001f600" * 36, 2),
    ("\U0001f600" * 66, 2),
    ("\U0001f600" * 67, 3),
    ("\U0001f600" * 198, 6),
    ("\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 6, 1),
    ("\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 7, 2),
    ("\U0001f1e9\U0001f1ea\U0001f3f4\U000e0067\U000e0062\U000e007f", 1),
    ("e" + "\u0301" * 300, 5),
    ("Z" + "\u0334\u0321\u0301" * 100, 5),
    ("invoice \u202egnp.exe", 1),
    ("\u2067\u05e9\u05dc\u05d5\u05dd\u2069 kumquat", 1),
    ("\u200bvisible\ufeff", 1),
    ("line\u2028break\u2029\u0085", 1),
    ("private \ue000 and \ufffe\uffff and \U0010ffff", 1),
    ("x" * 160, 1),
    ("x" * 161, 2),
    ("\u20ac" * 80, 1),
    ("\u20ac" * 81, 2),
    ("{[~]}\\|^", 1),
    ("'; DROP TABLE messages;-- %s ${jndi:ldap://x} {0.__class__} <script>alert(1)</script>", 1),
]


@pytest.mark.parametrize(("text", "segments"), TEXTS)
async def test_row_32_every_text_of_characters_is_counted_and_kept_as_it_is(
    gate: Gate, test_key: Headers, text: str, segments: int
) -> None:
    gate.logged()
    accepted = await gate.accepts(post({**MESSAGE, "body": text}, key=test_key))
    assert (accepted["body"], accepted["segments"]) == (text, segments)
    read = await gate.ask(get(f"{MESSAGES}/{accepted['id']}", key=test_key))
    assert read.document["body"] == text
    assert text not in gate.logged()
