"""Which member of a pool a message goes from: who may send there, who is nearer, and that recipients stay put."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.pools import Member, candidates, choose, may_send_to, place_of, place_of_sender
from app.domain.sender import SenderAddress, SenderType, check_sender

POOL = UUID("0192f3a0-1234-7abc-8def-000000000001")
RECIPIENTS = [f"+1212555{number:04}" for number in range(2_000)]
AMERICA = "+12125550123"

CHOSEN = [4, 4, 2, 2, 2, 1, 2, 1, 4, 2, 4, 1]
"""Of four members for the first twelve recipients: a change of the hash would move everybody at once."""


def member(
    number: int,
    address: str | None = None,
    *,
    provider: str = "one",
    weight: float = 1,
    countries: Sequence[str] | None = None,
) -> Member:
    """A sender with a number of Los Angeles unless another address is given."""
    checked = check_sender(address or f"+1213555{number:04}")
    assert isinstance(checked, SenderAddress)
    return Member(
        sender_id=UUID(int=number),
        address=checked.address,
        number_type=checked.number_type,
        provider=provider,
        weight=weight,
        countries=countries,
        place=place_of_sender(checked.address, checked.number_type),
    )


def chosen(
    members: Sequence[Member],
    recipient: str,
    *,
    health: Mapping[str, float] | None = None,
    match_area: bool = False,
    pool_id: UUID = POOL,
) -> Member | None:
    return choose(members, pool_id=pool_id, recipient=recipient, health=health or {}, match_area=match_area)


def shared_out(members: Sequence[Member], health: Mapping[str, float] | None = None) -> dict[str, UUID]:
    """The sender of each recipient."""
    found = {recipient: chosen(members, recipient, health=health) for recipient in RECIPIENTS}
    return {recipient: sender.sender_id for recipient, sender in found.items() if sender is not None}


weights = st.floats(min_value=0.1, max_value=10)
pools = st.lists(weights, min_size=1, max_size=6).map(
    lambda drawn: [member(number + 1, weight=weight) for number, weight in enumerate(drawn)]
)


@pytest.mark.parametrize(
    ("address", "countries", "reached", "not_reached"),
    [
        ("+12135550100", None, ["US", "CA"], ["GB", "MX", "JM", None]),
        ("+18005550100", None, ["US", "CA"], ["GB", None]),
        ("24680", None, ["US", "CA"], ["GB", None]),
        ("24680", ["GB"], ["GB"], ["US", "CA", None]),
        ("+447400123456", None, ["GB", "DE", "JM", None], ["US", "CA"]),
        ("+447400123456", ["GB", "US"], ["GB", "US"], ["DE", "CA", None]),
        ("MyBrand", None, ["GB", "DE", None], ["US", "CA"]),
        ("MyBrand", ["GB", "US", "CA"], ["GB"], ["US", "CA", "DE"]),
        ("+12135550100", [], [], ["US", "CA", "GB", None]),
    ],
)
def test_a_sender_reaches_the_countries_of_its_kind_unless_others_are_named(
    address: str, countries: list[str] | None, reached: list[str | None], not_reached: list[str | None]
) -> None:
    sender = member(1, address, countries=countries)
    assert [may_send_to(sender, country) for country in reached] == [True] * len(reached)
    assert [may_send_to(sender, country) for country in not_reached] == [False] * len(not_reached)


@pytest.mark.parametrize(
    ("number", "country", "area"),
    [
        ("+12125550123", "US", "212"),
        ("+14165550123", "CA", "416"),
        ("+15559876543", "US", "555"),
        ("+18765550123", "JM", "876"),
        ("+447400123456", "GB", None),
        ("+881612345678", None, None),
    ],
)
def test_a_number_is_at_home_where_its_plan_says_and_a_fictional_one_where_its_code_is(
    number: str, country: str | None, area: str | None
) -> None:
    place = place_of(number)
    assert (place.country, place.area) == (country, area)


@pytest.mark.parametrize(
    ("address", "number_type"),
    [("+18005550100", SenderType.TOLL_FREE), ("24680", SenderType.SHORT_CODE), ("Shop", SenderType.ALPHANUMERIC)],
)
def test_what_is_no_ordinary_number_is_at_home_nowhere(address: str, number_type: SenderType) -> None:
    assert place_of_sender(address, number_type) is None


def test_without_a_member_that_may_send_there_nobody_is_chosen() -> None:
    assert chosen([], AMERICA) is None
    assert chosen([member(1, "Shop"), member(2, "+447400123456")], AMERICA) is None


def test_a_drained_member_is_given_nothing_even_where_it_is_the_only_one() -> None:
    drained = member(1, weight=0)
    assert chosen([drained], AMERICA) is None
    assert candidates([drained, member(2)], "US") == [member(2)]
    assert set(shared_out([drained, member(2)]).values()) == {UUID(int=2)}


def test_a_number_of_the_recipients_country_comes_before_one_from_abroad() -> None:
    british, german, name = member(1, "+447400123456"), member(2, "+4915123456789"), member(3, "Shop")
    assert chosen([british, german, name], "+447400999888") == british
    assert chosen([british, german, name], "+4915199988877") == german
    assert chosen([name, replace(german, weight=0.01)], "+4915199988877") is not None
    registered = member(4, "Brand", countries=["GB"])
    assert chosen([registered, german], "+447400999888") == registered


def test_a_number_of_the_recipients_area_comes_first_where_that_is_wanted() -> None:
    local, others = member(1, "+12125550100", weight=0.01), [member(number) for number in range(2, 8)]
    assert chosen([local, *others], AMERICA, match_area=True) == local
    assert {chosen([local, *others], number) for number in RECIPIENTS} > {local}
    elsewhere = {chosen([local, *others], f"+1213555{number:04}", match_area=True) for number in range(500)}
    assert elsewhere == set(others)


def test_the_area_matters_under_plus_one_alone() -> None:
    one, other = member(1, "+447400123456"), member(2, "+447400654321")
    found = {chosen([one, other], f"+4474009{number:05}", match_area=True) for number in range(200)}
    assert found == {one, other}


def test_who_is_near_and_unwell_comes_after_who_is_far_and_well() -> None:
    near, far = member(1, "+12125550100"), member(2, provider="two")
    assert chosen([near, far], AMERICA, match_area=True, health={"one": 0.0}) == far


def test_a_member_without_health_is_chosen_only_where_nobody_else_is_left() -> None:
    dead, alive = member(1), member(2, provider="two", weight=0.01)
    assert set(shared_out([dead, alive], {"one": 0.0}).values()) == {alive.sender_id}
    assert set(shared_out([dead], {"one": 0.0}).values()) == {dead.sender_id}
    both = shared_out([dead, alive], {"one": 0.0, "two": 0.0})
    assert both == shared_out([dead, alive])


def test_a_choice_is_the_same_in_every_process_and_release() -> None:
    members = [member(number) for number in range(1, 5)]
    numbers = [found.sender_id.int for found in (chosen(members, each) for each in RECIPIENTS[:12]) if found]
    assert numbers == CHOSEN


def test_pools_share_their_recipients_out_independently() -> None:
    members = [member(1), member(2)]
    same = sum(chosen(members, each) == chosen(members, each, pool_id=UUID(int=7)) for each in RECIPIENTS)
    assert 900 < same < 1_100


@given(pools, st.sampled_from(RECIPIENTS), st.randoms())
def test_a_recipient_keeps_its_sender_in_whatever_order_the_members_come(
    members: list[Member], recipient: str, chance: object
) -> None:
    shuffled = list(members)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' own random.Random
    assert chosen(shuffled, recipient) == chosen(members, recipient)


@given(pools, weights)
def test_a_new_member_takes_recipients_and_moves_none_between_the_others(members: list[Member], weight: float) -> None:
    new = member(99, weight=weight)
    for recipient in RECIPIENTS[:100]:
        assert chosen([*members, new], recipient) in {chosen(members, recipient), new}


@given(pools.filter(lambda members: len(members) > 1), st.data())
def test_a_member_that_goes_leaves_its_own_recipients_and_no_others(members: list[Member], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(members))
    left = [each for each in members if each != gone]
    for recipient in RECIPIENTS[:100]:
        before = chosen(members, recipient)
        assert before == gone or chosen(left, recipient) == before


@given(pools, st.data())
def test_a_member_that_is_given_more_weight_only_gains(members: list[Member], data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(members))
    heavier = replace(one, weight=one.weight * 2)
    changed = [heavier if each == one else each for each in members]
    for recipient in RECIPIENTS[:100]:
        assert chosen(changed, recipient) in {chosen(members, recipient), heavier}


@pytest.mark.parametrize("shares", [(1, 1), (1, 3), (5, 3, 2), (1, 1, 1, 1, 6)])
def test_recipients_are_shared_out_by_weight(shares: tuple[int, ...]) -> None:
    members = [member(number + 1, weight=share) for number, share in enumerate(shares)]
    counts = Counter(shared_out(members).values())
    for each, share in zip(members, shares, strict=True):
        assert counts[each.sender_id] / len(RECIPIENTS) == pytest.approx(share / sum(shares), abs=0.04)


def test_half_of_the_health_moves_about_half_of_the_recipients_and_none_between_the_others() -> None:
    members = [member(number, provider=f"provider {number}") for number in range(1, 6)]
    before, after = shared_out(members), shared_out(members, {"provider 1": 0.5})
    moved = {recipient for recipient in RECIPIENTS if before[recipient] != after[recipient]}
    assert {before[recipient] for recipient in moved} == {UUID(int=1)}
    of_the_first = sum(sender == UUID(int=1) for sender in before.values())
    # Of a fifth it keeps a half of what is now nine tenths: 5/9.
    assert len(moved) / of_the_first == pytest.approx(4 / 9, abs=0.08)
    assert shared_out(members, {"provider 1": 1.0}) == before
