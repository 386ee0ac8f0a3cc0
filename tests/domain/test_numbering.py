"""Numbering plans: certain of what is ordinary, and never of another opinion than phonenumbers."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumberType

from app.domain.numbering import Assignment, NumberType, assignment
from app.domain.phone import NumberProblem, Recipient, RecipientRefused, check_recipient
from tests.support.numbering_plans import (
    CALLING_CODES,
    REGIONS,
    SHARED_CODES,
    example,
    examples,
    numbers_around,
    plan,
    said_by_phonenumbers,
)

CERTAIN = [
    ("+12125550123", "US", "fixed-line-or-mobile"),
    ("+16045550123", "CA", "fixed-line-or-mobile"),
    ("+18765550123", "JM", "mobile"),
    ("+13406421234", "VI", "fixed-line-or-mobile"),
    ("+18095550123", "DO", "fixed-line-or-mobile"),
    ("+18005550199", "US", "toll-free"),
    ("+19005550123", "US", None),
    ("+15555550100", None, "unknown"),
    ("+79161234567", "RU", "mobile"),
    ("+77710009998", "KZ", "mobile"),
    ("+390612345678", "IT", "fixed-line"),
    ("+390669812345", "VA", "fixed-line"),
    ("+39612345678", None, "unknown"),
    ("+447400123456", "GB", "mobile"),
    ("+447624123456", "IM", "mobile"),
    ("+447781123456", "GG", "mobile"),
    ("+4779123456", "SJ", "fixed-line"),
    ("+35818123456", "AX", "fixed-line"),
    ("+5491123456789", "AR", "mobile"),
    ("+5511961234567", "BR", "mobile"),
    ("+522221234567", "MX", "fixed-line-or-mobile"),
    ("+8613123456789", "CN", "mobile"),
]


@pytest.mark.parametrize(("text", "region", "number_type"), CERTAIN)
def test_an_ordinary_number_is_certain(text: str, region: str | None, number_type: str | None) -> None:
    known = NumberType(number_type) if number_type else None
    assert assignment(text) == Assignment(region=region, number_type=known)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "+1",
        "12125550123",
        "+12125550123\n",
        "+1212555012\u0663",
        "+\u0661\u0662\u0661\u0662\u0665\u0665\u0665\u0660\u0661\u0662\u0663",
        "+1212555",
        "+121255501234",
        "+12125550123 OR 1=1",
        "+4407400123456",
        "+78001234567",
        "+5411150123456",
        "+870773111632",
        "+999123456789",
        "+4915123456789012",
        "+0125550123",
    ],
)
def test_of_what_is_no_ordinary_number_nothing_is_certain(text: str) -> None:
    assert assignment(text) is None


def test_the_mobile_example_of_every_region_is_certain() -> None:
    mobile = {region: text for region in REGIONS if (text := example(region, PhoneNumberType.MOBILE))}
    assert [region for region in REGIONS if region not in mobile] == ["TA"]
    assert {region for region, text in mobile.items() if assignment(text) is None} == set()


UNCERTAIN_EXAMPLES = [
    "+13101234",  # of Canada, but too short for the US, by which every number under +1 is judged possible
    "+37080012345",  # Lithuania's trunk prefix was 8, Belarus's 80; Russia's and Kazakhstan's is 8
    "+37080123456",
    "+37080812345",
    "+3758011234567",
    "+78001234567",
    "+78081234567",
    "+78091234567",
]


def test_of_all_examples_of_all_types_a_handful_is_left_to_phonenumbers() -> None:
    uncertain = {text for region in REGIONS for text in examples(region) if assignment(text) is None}
    assert sorted(uncertain) == UNCERTAIN_EXAMPLES


OF_NO_COUNTRY = ("+800", "+808", "+870", "+878", "+881", "+882", "+883", "+888", "+979")


def verdict(text: str, said: Assignment, *, fictional_allowed: bool) -> Recipient | RecipientRefused:
    """What has to come of a possible number of which phonenumbers has said so much."""
    if said.number_type is None or text.startswith(OF_NO_COUNTRY):
        return RecipientRefused(problem=NumberProblem.DESTINATION_NOT_ALLOWED)
    if said.number_type is NumberType.UNKNOWN and not fictional_allowed:
        return RecipientRefused(problem=NumberProblem.NOT_VALID)
    return Recipient(e164=text, region=said.region, number_type=said.number_type)


def disagreement(text: str) -> str | None:
    """What is wrong with our opinion of a text, if anything is."""
    said = said_by_phonenumbers(text)
    known = assignment(text)
    if known is not None and known != said:
        return f"{text}: {known} instead of {said}"
    for fictional_allowed in (False, True):
        judged = check_recipient(text, fictional_allowed=fictional_allowed)
        if said is None:
            agreed = isinstance(judged, RecipientRefused) and judged.problem is not NumberProblem.NOT_VALID
        else:
            agreed = judged == verdict(text, said, fictional_allowed=fictional_allowed)
        if not agreed:
            return f"{text}: {judged}, of which phonenumbers says {said}"
    return None


@pytest.mark.parametrize("region", REGIONS)
def test_two_hundred_numbers_of_each_region_are_judged_as_by_phonenumbers(region: str) -> None:
    numbers = list(numbers_around(examples(region), 200, seed=region))
    assert len(numbers) == 200
    assert [wrong for text in numbers if (wrong := disagreement(text))] == []


@cache
def prefixes(region: str) -> st.SearchStrategy[str]:
    """What may stand before a number or begin it: trunk and carrier prefixes, and the digits that regions claim."""
    main = COUNTRY_CODE_TO_REGION_CODE[plan(region).country_code or 0][0]
    known = (plan(main).national_prefix_for_parsing, plan(region).national_prefix_for_parsing)
    claimed = (plan(neighbour).leading_digits for neighbour in neighbours(region))
    patterns = [pattern for pattern in (*known, *claimed, "0", "1", "8", "15") if pattern]
    return st.sampled_from(patterns).flatmap(
        lambda pattern: st.from_regex(re.compile(pattern.replace("$", ""), re.ASCII), fullmatch=True)
    )


def neighbours(region: str) -> tuple[str, ...]:
    """The regions that share a calling code, the region itself among them."""
    return COUNTRY_CODE_TO_REGION_CODE[plan(region).country_code or 0]


MISTAKES = ("changed", "dropped", "added", "prefixed", "replaced", "random")


@st.composite
def near_misses(draw: st.DrawFn) -> str:
    """Examples of every region and type with up to three small mistakes."""
    region = draw(st.sampled_from(REGIONS))
    code = f"+{plan(region).country_code}"
    national = draw(st.sampled_from(examples(region))).removeprefix(code)
    for mistake in draw(st.lists(st.sampled_from(MISTAKES), max_size=3)):
        at = draw(st.integers(0, len(national)))
        digit = draw(st.sampled_from("0123456789"))
        match mistake:
            case "changed":
                national = national[:at] + digit + national[at + 1 :]
            case "dropped":
                national = national[:at] + national[at + 1 :]
            case "added":
                national = national[:at] + digit + national[at:]
            case "prefixed":
                national = draw(prefixes(region)) + national
            case "replaced":
                prefix = draw(prefixes(region))
                national = prefix + national[len(prefix) :]
            case _:
                national = national[:at] + draw(st.from_regex(rf"[0-9]{{{len(national) - at}}}", fullmatch=True))
    return code + national


@st.composite
def numbers_of_a_kind(draw: st.DrawFn) -> str:
    """Numbers in a range that a region has given out, or in what its plan describes as a whole."""
    metadata = plan(draw(st.sampled_from(REGIONS)))
    fields = (
        "general_desc",
        "fixed_line",
        "mobile",
        "toll_free",
        "premium_rate",
        "shared_cost",
        "voip",
        "uan",
        "pager",
    )
    kinds = [kind for field in fields if (kind := getattr(metadata, field)) and kind.national_number_pattern]
    pattern = re.compile(draw(st.sampled_from(kinds)).national_number_pattern, re.ASCII)
    return f"+{metadata.country_code}{draw(st.from_regex(pattern, fullmatch=True))}"


ANY_NUMBER = st.one_of(
    near_misses(),
    numbers_of_a_kind(),
    st.builds("+{}{}".format, st.sampled_from(CALLING_CODES), st.from_regex(r"[0-9]{0,14}", fullmatch=True)),
    st.from_regex(r"\+?[0-9]{1,17}", fullmatch=True),
)


@settings(deadline=None, max_examples=300)  # a busy machine is no defect
@given(ANY_NUMBER)
def test_any_number_is_judged_as_by_phonenumbers(text: str) -> None:
    assert disagreement(text) is None


@pytest.mark.soak
@settings(deadline=None, max_examples=20_000)
@given(ANY_NUMBER)
def test_twenty_thousand_numbers_are_judged_as_by_phonenumbers(text: str) -> None:
    assert disagreement(text) is None


@pytest.mark.soak
@pytest.mark.parametrize("code", SHARED_CODES)
def test_regions_that_share_a_code_are_told_apart_by_their_first_digits_as_by_phonenumbers(code: int) -> None:
    description = plan(COUNTRY_CODE_TO_REGION_CODE[code][0]).general_desc
    lengths = description.possible_length if description else ()
    texts = (f"+{code}{start:04}{'1234567890'[: length - 4]}" for start in range(0, 10_000, 3) for length in lengths)
    assert [wrong for text in texts if (wrong := disagreement(text))] == []
