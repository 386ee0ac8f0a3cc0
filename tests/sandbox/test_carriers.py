"""Which carrier a number belongs to, and how long a message takes there."""

from __future__ import annotations

import pytest

from app.sandbox.carriers import LATENCIES, Carrier, Journey, carrier_of, journey_of
from app.sandbox.magic import script_for
from app.sandbox.script import end_of


@pytest.mark.parametrize(
    ("recipient", "carrier"),
    [
        ("+15005550001", Carrier.ATT),
        ("+15005550002", Carrier.T_MOBILE),
        ("+15005550003", Carrier.VERIZON),
        ("+12025550120", Carrier.VERIZON),
        ("+12025550124", Carrier.ATT),
        ("+12025550128", Carrier.T_MOBILE),
    ],
)
def test_the_last_digit_decides_the_carrier(recipient: str, carrier: Carrier) -> None:
    assert carrier_of(recipient) is carrier


@pytest.mark.parametrize("carrier", Carrier)
def test_messages_meet_every_latency_of_their_carrier(carrier: Carrier) -> None:
    journeys = [journey_of(f"sbx_{number}", carrier) for number in range(500)]
    assert {journey.handover for journey in journeys} == set(LATENCIES[carrier].handover)
    assert {journey.handset for journey in journeys} == set(LATENCIES[carrier].handset)


def test_a_message_always_takes_the_same_time() -> None:
    assert journey_of("sbx_1", Carrier.ATT) == journey_of("sbx_1", Carrier.ATT)


@pytest.mark.parametrize(
    ("recipient", "seconds", "word"),
    [
        ("+12025550123", 0.3, "delivered"),
        ("+15005550020", 0.3, "undelivered"),
        ("+15005550026", 0.3, "failed"),
        ("+15005550050", 0.3, "delivered"),
        ("+15005550051", 0.3, "delivered"),
        ("+15005550053", 0.2, "delivered"),
        ("+15005550055", 0.3, "delivered"),
    ],
)
def test_a_message_ends_when_its_journey_does_whatever_is_reported(recipient: str, seconds: float, word: str) -> None:
    script = script_for(recipient)
    assert end_of(script, Journey(handover=0.1, handset=0.2)) == pytest.approx(seconds)
    assert script.end.word == word
