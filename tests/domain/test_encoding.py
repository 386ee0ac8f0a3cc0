"""Encoding and segment counts: the worked cases, the alphabet, and two independent oracles."""

from __future__ import annotations

import pytest
import smsutil
from gsm0338 import Codec
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.encoding import GSM_BASIC, GSM_EXTENSION, Encoding, Segmentation, segment

EMOJI = "\U0001f600"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
ESCAPE = "\x1b"

WORKED_CASES = [
    # Each row: the text, its encoding, its segments, its units.
    ("a", "gsm-7", 1, 1),
    ("a" * 160, "gsm-7", 1, 160),
    ("a" * 161, "gsm-7", 2, 161),
    ("a" * 306, "gsm-7", 2, 306),
    ("a" * 307, "gsm-7", 3, 307),
    ("a" * 320, "gsm-7", 3, 320),
    ("a" * 459, "gsm-7", 3, 459),
    ("a" * 460, "gsm-7", 4, 460),
    ("€" * 80, "gsm-7", 1, 160),
    ("€" * 81, "gsm-7", 2, 162),
    ("a" * 155 + "|||", "gsm-7", 2, 161),
    ("a" * 152 + "€" + "a" * 152, "gsm-7", 3, 306),
    ("a" * 151 + "€" + "a" * 153, "gsm-7", 2, 306),
    ("€" * 76 + "a" + "€" * 76, "gsm-7", 2, 305),
    ("€" * 153, "gsm-7", 3, 306),
    ("a" * 152 + "€" + "a" * 150 + "€" + "a" * 151, "gsm-7", 3, 457),
    ("a" * 152 + "€" + "a" * 150 + "€" + "a" * 152, "gsm-7", 4, 458),
    ("a" * 150 + EMOJI, "ucs-2", 3, 152),
    ("ж" * 70, "ucs-2", 1, 70),
    ("ж" * 71, "ucs-2", 2, 71),
    ("ж" * 134, "ucs-2", 2, 134),
    ("ж" * 135, "ucs-2", 3, 135),
    ("ж" * 66 + EMOJI + "ж" * 66, "ucs-2", 3, 134),
    ("ж" * 65 + EMOJI + "ж" * 67, "ucs-2", 2, 134),
    (EMOJI * 35, "ucs-2", 1, 70),
    (EMOJI * 36, "ucs-2", 2, 72),
    (EMOJI * 67, "ucs-2", 3, 134),
    (FAMILY, "ucs-2", 1, 8),
    ("e" + "\u0301" * 1000, "ucs-2", 15, 1001),
    ("\u202eabc", "ucs-2", 1, 4),
    ("\r\n" * 80, "gsm-7", 1, 160),
    ("\r\n" * 81, "gsm-7", 2, 162),
    ("\U00010000", "ucs-2", 1, 2),
    ("\U0010ffff", "ucs-2", 1, 2),
    ("\uffff", "ucs-2", 1, 1),
]


@pytest.mark.parametrize(
    ("text", "encoding", "segments", "units"),
    WORKED_CASES,
    ids=[f"{number}-{text[:1]!a}-{units}" for number, (text, _, _, units) in enumerate(WORKED_CASES)],
)
def test_every_worked_case_of_the_standard_is_counted_exactly(
    text: str, encoding: str, segments: int, units: int
) -> None:
    assert segment(text) == Segmentation(encoding=Encoding(encoding), segments=segments, units=units)


def test_the_alphabet_is_that_of_the_gsm0338_codec_in_code_order() -> None:
    codec = Codec()
    basic = "".join(codec.decode(bytes([code]))[0] for code in range(128) if code != 0x1B)
    extension_codes = [0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65]
    extension = "".join(codec.decode(bytes([0x1B, code]))[0] for code in extension_codes)
    assert basic == GSM_BASIC
    assert extension == GSM_EXTENSION
    assert (len(GSM_BASIC), len(GSM_EXTENSION)) == (127, 10)


def test_of_all_characters_only_the_alphabets_137_are_gsm_and_only_ten_of_them_cost_two_septets() -> None:
    counted = {chr(code): segment(chr(code)) for code in range(0x11000)}
    one_septet = {text for text, count in counted.items() if (count.encoding, count.units) == (Encoding.GSM_7, 1)}
    two_septets = {text for text, count in counted.items() if (count.encoding, count.units) == (Encoding.GSM_7, 2)}
    assert one_septet == set(GSM_BASIC)
    assert two_septets == set(GSM_EXTENSION)


@pytest.mark.parametrize("character", ["`", "\t", "\u00a0", "\u2019", "\u2013", "\u2026", "ç", "á", "ş", "\0", ESCAPE])
def test_a_single_character_outside_the_alphabet_makes_the_whole_text_ucs_2(character: str) -> None:
    assert segment("a" * 69 + character) == Segmentation(encoding=Encoding.UCS_2, segments=1, units=70)
    assert segment("a" * 70 + character) == Segmentation(encoding=Encoding.UCS_2, segments=2, units=71)


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        segment("")


@pytest.mark.parametrize("text", ["\ud800", "\udc00\ud800", "a\udfff"])
def test_a_lone_surrogate_counts_as_one_code_unit_and_does_not_crash(text: str) -> None:
    assert segment(text) == Segmentation(encoding=Encoding.UCS_2, segments=1, units=len(text))


def naive(text: str) -> Segmentation:
    """Segments filled one character at a time; the alphabet is the gsm0338 codec's."""
    codec = Codec()
    try:
        costs = [len(codec.encode(character)[0]) for character in text]
        encoding, alone, joined = Encoding.GSM_7, 160, 153
    except UnicodeEncodeError:
        costs = [len(character.encode("utf-16-be")) // 2 for character in text]
        encoding, alone, joined = Encoding.UCS_2, 70, 67
    if sum(costs) <= alone:
        return Segmentation(encoding=encoding, segments=1, units=sum(costs))
    filled = [0]
    for cost in costs:
        if filled[-1] + cost > joined:
            filled.append(0)
        filled[-1] += cost
    return Segmentation(encoding=encoding, segments=len(filled), units=sum(costs))


def runs(characters: str) -> st.SearchStrategy[str]:
    """Texts of a few segments made of runs of telling lengths, so that wide characters meet the ends of segments."""
    times = st.sampled_from([1, 2, 3, 32, 33, 64, 65, 66, 67, 75, 76, 150, 151, 152, 153])
    run = st.builds(lambda character, times: character * times, st.sampled_from(characters), times)
    return st.lists(run, min_size=1, max_size=8).map("".join)


TEXTS = st.one_of(
    st.text(min_size=1),
    st.text(GSM_BASIC + GSM_EXTENSION, min_size=1, max_size=400),
    runs("a€|\n"),
    runs("aж" + EMOJI),
)


@settings(deadline=None, max_examples=300)  # a busy machine is no defect
@given(TEXTS)
def test_random_texts_are_counted_as_by_a_naive_greedy_walk(text: str) -> None:
    # The codec behind the naive walk takes the bare escape for a character; it is none (3GPP TS 23.038).
    without_escape = text.replace(ESCAPE, "") or "a"
    assert segment(without_escape) == naive(without_escape)


@settings(deadline=None)  # a busy machine is no defect
@given(TEXTS)
def test_random_texts_have_as_many_segments_as_smsutil_splits_them_into(text: str) -> None:
    # smsutil lists the bare escape as a GSM character; it is none (3GPP TS 23.038), so it stays out here.
    without_escape = text.replace(ESCAPE, "") or "a"
    split = smsutil.split(without_escape)
    expected = Encoding.GSM_7 if split.encoding == "gsm0338" else Encoding.UCS_2
    counted = segment(without_escape)
    assert (counted.encoding, counted.segments) == (expected, len(split.parts))


def test_smsutil_differs_for_the_bare_escape_and_for_the_empty_text() -> None:
    assert smsutil.split(ESCAPE).encoding == "gsm0338"
    assert segment(ESCAPE).encoding is Encoding.UCS_2
    assert smsutil.split("").encoding == "utf_16_be"
