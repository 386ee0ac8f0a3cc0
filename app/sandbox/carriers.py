"""The three simulated carriers: which recipient belongs to which, and how long each takes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Carrier(StrEnum):
    """A mobile network."""

    ATT = "AT&T"
    T_MOBILE = "T-Mobile"
    VERIZON = "Verizon"


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """A carrier's times in seconds, each value as likely as the next: the distribution is the table."""

    handover: tuple[float, ...]
    """From the sandbox taking a message to the carrier having it (`sent`)."""

    handset: tuple[float, ...]
    """From there to the handset (`delivered`), or to the carrier giving up (`undelivered`)."""


LATENCIES: Final[dict[Carrier, Latencies]] = {
    Carrier.ATT: Latencies(
        handover=(0.015, 0.020, 0.025, 0.030, 0.040),
        handset=(0.060, 0.070, 0.080, 0.090, 0.110, 0.150, 0.300),
    ),
    Carrier.T_MOBILE: Latencies(
        handover=(0.010, 0.012, 0.015, 0.020, 0.025),
        handset=(0.030, 0.035, 0.040, 0.050, 0.060, 0.080, 0.200),
    ),
    Carrier.VERIZON: Latencies(
        handover=(0.030, 0.040, 0.050, 0.060, 0.090),
        handset=(0.090, 0.110, 0.130, 0.160, 0.200, 0.280, 0.500),
    ),
}

BY_LAST_DIGIT: Final = (Carrier.VERIZON, Carrier.ATT, Carrier.T_MOBILE)
"""Indexed by the number's last digit modulo three: 1, 4, 7 are AT&T; 2, 5, 8 T-Mobile; 0, 3, 6, 9 Verizon."""


@dataclass(frozen=True, kw_only=True)
class Journey:
    """The two hops of one message, in seconds."""

    handover: float
    handset: float


def carrier_of(recipient: str) -> Carrier:
    """Give the carrier of an E.164 number; the same number always has the same."""
    return BY_LAST_DIGIT[int(recipient[-1]) % len(BY_LAST_DIGIT)]


def journey_of(message_id: str, carrier: Carrier) -> Journey:
    """Give one message's latencies, drawn by its id, so that a run can be understood afterwards."""
    draw = zlib.crc32(message_id.encode())
    latencies = LATENCIES[carrier]
    return Journey(
        handover=latencies.handover[draw % len(latencies.handover)],
        handset=latencies.handset[(draw >> 8) % len(latencies.handset)],
    )
