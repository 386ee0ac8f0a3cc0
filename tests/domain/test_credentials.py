"""API keys: written, read back, and refused for any slip of the pen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.credentials import (
    Credentials,
    KeyMode,
    hash_secret,
    new_credentials,
    read_basic,
    read_bearer,
)

KEY = new_credentials(KeyMode.TEST, id_bytes=bytes(range(12)), secret_bytes=bytes(range(100, 132)))


def test_a_key_has_the_form_that_secret_scanners_look_for() -> None:
    assert KEY.user == "mgw_test_000001111222"
    assert len(KEY.secret) == 38
    assert KEY.bearer == f"{KEY.user}_{KEY.secret}"


def test_a_key_reads_back_from_basic_and_from_bearer() -> None:
    assert read_basic(KEY.user, KEY.secret) == KEY
    assert read_bearer(KEY.bearer) == KEY


def test_a_secret_never_shows_in_a_repr() -> None:
    assert KEY.secret not in repr(KEY)


@given(st.integers(0, 37), st.sampled_from("0123456789ABCXYZabcxyz"))
def test_a_single_wrong_character_is_noticed_without_a_database(position: int, character: str) -> None:
    wrong = KEY.secret[:position] + character + KEY.secret[position + 1 :]
    read = read_basic(KEY.user, wrong)
    assert read == (KEY if wrong == KEY.secret else None)


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("", ""),
        (KEY.user, ""),
        (KEY.user.replace("test", "live"), KEY.secret),
        (KEY.user.upper(), KEY.secret),
        (f"{KEY.user} ", KEY.secret),
        (KEY.user, f"{KEY.secret}\n"),
        (KEY.user, "\u0661" * 38),
    ],
)
def test_what_is_not_exactly_a_key_is_none(user: str, password: str) -> None:
    assert read_basic(user, password) is None


@given(st.text())
def test_any_text_is_a_key_or_none(text: str) -> None:
    assert read_bearer(text) is None or isinstance(read_bearer(text), Credentials)


def test_only_a_hash_of_the_secret_is_to_be_stored() -> None:
    assert hash_secret("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
