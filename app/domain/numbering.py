"""What the numbering plans say of a number for certain, by patterns compiled from phonenumbers' own metadata.

A tenth of the cost of asking the library, whose answer this must equal; where it might not, there is none.
The order of regions, leading digits and types is that of `region_code_for_number` and `number_type`, and a number
that `parse` might read as another, because it begins like a trunk or carrier prefix, is never certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import takewhile
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc


class NumberType(StrEnum):
    """What the numbering plan says of a recipient's number."""

    MOBILE = "mobile"
    FIXED_LINE = "fixed-line"
    FIXED_LINE_OR_MOBILE = "fixed-line-or-mobile"
    """The plan does not tell them apart: every geographic number of North America."""

    TOLL_FREE = "toll-free"
    VOIP = "voip"
    PERSONAL = "personal"
    UNKNOWN = "unknown"
    """A possible number in no known range, which only a test key may write to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """What a numbering plan has given a number out for."""

    region: str | None
    """ISO 3166-1 alpha-2; None exactly where the number's type is unknown."""

    number_type: NumberType | None
    """None where nobody is to be texted: premium rate, shared cost, pager, UAN, voicemail."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ranges:
    """Numbers of one length, by what they were given out for."""

    pattern: re.Pattern[str]
    """Of a whole number in E.164, with an alternative for each assignment. It ends in an empty group, whose number
    tells which it was; a group around it would keep `re` from passing over it at its first digit."""

    assignments: tuple[Assignment, ...]
    """The one at 0 is for no group, which does not happen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Claims:
    """How the regions behind one calling code share its numbers."""

    before: tuple[str, ...]
    """The regions that are asked before any claim counts, in order: nearly always the main one alone."""

    leading: re.Pattern[str] | None
    """An alternative, ended by an empty group, for each region that claims numbers by their leading digits."""

    after: tuple[tuple[str, ...], ...]
    """The regions to ask next, in order, by the group of `leading` that a number fits; 0 is for none of them."""


_UNASSIGNED: Final = Assignment(region=None, number_type=NumberType.UNKNOWN)

_LONGEST: Final = len("+") + 15
"""Of E.164, with its plus. The metadata know longer numbers, which are not E.164."""

_OF_NO_COUNTRY: Final = "001"

_REGIONS: Final = {
    f"+{code}": regions for code, regions in COUNTRY_CODE_TO_REGION_CODE.items() if _OF_NO_COUNTRY not in regions
}
"""The regions of each calling code in the order in which phonenumbers asks them, the main one first."""

_CALLING_CODES: Final = {
    f"+{beginning}": code
    for beginning in range(100, 1000)
    for code in (f"+{beginning}"[:end] for end in (2, 3, 4))
    if code in _REGIONS
}
"""The calling code of each beginning of a number; no code begins another."""

_TYPES_BEFORE_FIXED_LINE: Final = {
    "premium_rate": None,
    "toll_free": NumberType.TOLL_FREE,
    "shared_cost": None,
    "voip": NumberType.VOIP,
    "personal_number": NumberType.PERSONAL,
    "pager": None,
    "uan": None,
    "voicemail": None,
}
"""The metadata's fields in the order in which phonenumbers tries them: the first that fits is the type."""


def assignment(e164: str) -> Assignment | None:
    """Say what a number was given out for, exactly as phonenumbers would; None is no statement at all.

    Any text may be asked about. None is said of a text that is not E.164, of a length that its country does not
    know, of a calling code that belongs to no country (+800, +881 ...) and of what begins with a trunk prefix.
    """
    code = _CALLING_CODES.get(e164[:4])
    if code is None or len(e164) > _LONGEST:
        return None
    claims = _claims(code)
    if known := _first(_ranges(code, claims.before, len(e164)), e164):
        return known
    claim = claims.leading.match(e164) if claims.leading else None
    after = claims.after[(claim.lastindex or 0) if claim else 0]
    return _first(_ranges(code, after, len(e164)), e164) or _first(_left_over(code, len(e164)), e164)


def _first(all_ranges: tuple[_Ranges, ...], e164: str) -> Assignment | None:
    for ranges in all_ranges:
        if match := ranges.pattern.fullmatch(e164):
            return ranges.assignments[match.lastindex or 0]
    return None


@cache
def _claims(code: str) -> _Claims:
    """Read who shares a calling code, as `region_code_for_number` does.

    A region that claims leading digits has every number with them that no region before it has, valid or not;
    one that claims none has the numbers that are valid in it. A region without neighbours has them all.
    """
    regions = _REGIONS[code]
    claimed = {region: _plan(region).leading_digits for region in regions} if len(regions) > 1 else {}
    before = tuple(takewhile(lambda region: claimed.get(region) is None, regions))
    unclaiming: list[str] = []
    after: list[tuple[str, ...]] = []
    for region in regions[len(before) :]:
        if claimed[region] is None:
            unclaiming.append(region)
        else:
            after.append((*unclaiming, region))
    groups = "|".join(f"(?:{_without_groups(digits)})()" for digits in claimed.values() if digits is not None)
    leading = _compiled(rf"\{code}(?:{groups})") if groups else None
    return _Claims(before=before, leading=leading, after=(tuple(unclaiming), *after))


@cache
def _ranges(code: str, regions: tuple[str, ...], length: int) -> tuple[_Ranges, ...]:
    """Compile the numbers of some regions that have one length and are certain, in order.

    Done at the first number that asks, in a few milliseconds for a region. This cache and the others are bounded:
    the calling codes, the regions behind them and the lengths up to `_LONGEST` are few.
    """
    if not _is_possible(code, length):
        return ()
    plans = (_plan(region) for region in regions)
    return tuple(ranges for plan in plans if (ranges := _assigned(code, plan, length)))


@cache
def _left_over(code: str, length: int) -> tuple[_Ranges, ...]:
    """Compile all numbers of a possible length that are certain: unassigned, where no region has them."""
    if not _is_possible(code, length):
        return ()
    return (_Ranges(pattern=_compiled(f"{_certain(code)}[0-9]+"), assignments=(_UNASSIGNED,)),)


def _is_possible(code: str, length: int) -> bool:
    """Tell whether the main region knows numbers of this length; phonenumbers judges its neighbours' by it too."""
    return _pattern(_plan(_REGIONS[code][0]).general_desc, length - len(code)) is not None


def _assigned(code: str, plan: PhoneMetadata, length: int) -> _Ranges | None:
    """Compile the numbers that one region has given out; None where it has none of this length."""
    digits = length - len(code)
    general = _pattern(plan.general_desc, digits)
    types = list(_types(plan, digits))
    if general is None or not types:
        return None
    kinds = "|".join(rf"(?:{pattern})\Z()" for _, pattern in types)
    return _Ranges(
        pattern=_compiled(rf"{_certain(code)}(?=(?:{general})\Z)(?:{kinds})"),
        assignments=(_UNASSIGNED, *(Assignment(region=plan.id, number_type=kind) for kind, _ in types)),
    )


def _types(plan: PhoneMetadata, digits: int) -> Iterator[tuple[NumberType | None, str]]:
    """Give the types that have numbers of this length, in the order in which phonenumbers tries them."""
    for field, number_type in _TYPES_BEFORE_FIXED_LINE.items():
        if pattern := _pattern(getattr(plan, field), digits):
            yield number_type, pattern
    fixed = _pattern(plan.fixed_line, digits)
    mobile = _pattern(plan.mobile, digits)
    if plan.same_mobile_and_fixed_line_pattern:
        if fixed:
            yield NumberType.FIXED_LINE_OR_MOBILE, fixed
        return
    if fixed and mobile:
        yield NumberType.FIXED_LINE_OR_MOBILE, rf"(?=(?:{mobile})\Z)(?:{fixed})"
    if fixed:
        yield NumberType.FIXED_LINE, fixed
    if mobile:
        yield NumberType.MOBILE, mobile


def _pattern(kind: PhoneNumberDesc | None, digits: int) -> str | None:
    """Take the pattern of one kind of number; None where the kind has no numbers of this length."""
    if kind is None or not kind.national_number_pattern:
        return None
    possible = not kind.possible_length or digits in kind.possible_length
    return _without_groups(kind.national_number_pattern) if possible else None


def _certain(code: str) -> str:
    """Begin a pattern with the calling code, and refuse a trunk or carrier prefix, which `parse` might cut off.

    All of the prefix may be optional, as in Argentina: a match of nothing, which ends at the code, cuts nothing off.
    """
    prefix = _plan(_REGIONS[code][0]).national_prefix_for_parsing
    return rf"\{code}(?!(?:{_without_groups(prefix)})(?<!\{code}))" if prefix else rf"\{code}"


def _without_groups(pattern: str) -> str:
    """Make a pattern's groups capture nothing, so that ours alone are counted."""
    return re.sub(r"\((?!\?)", "(?:", pattern)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern once, for the lengths that share it; a digit in the metadata's is an ASCII digit here."""
    return re.compile(pattern, re.ASCII)


def _plan(region: str) -> PhoneMetadata:
    """Load the numbering plan of a region that phonenumbers names; without one, `LookupError`."""
    if plan := PhoneMetadata.metadata_for_region(region):
        return plan
    raise LookupError(f"phonenumbers has no numbering plan of {region}")
