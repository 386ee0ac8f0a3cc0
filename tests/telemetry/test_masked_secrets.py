"""Secrets and bodies: hidden in texts by their form, and in fields by the names that they stand under."""

from __future__ import annotations

import pytest

from app.telemetry.masking import Logged, mask_fields, mask_text
from tests.telemetry.canaries import HIDDEN, KEY, KEY_SECRET


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
        (
            "x\nDETAIL:  Failing row contains (01a2, +15557654321, a text, gsm-7).\nz",
            "x\nDETAIL:  [hidden]\nz",
        ),
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
