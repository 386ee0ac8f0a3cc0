"""The closed catalogue of why a message was not delivered, whatever the provider calls it.

Every adapter maps its provider's codes into it; the provider's own words are stored beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Whose doing an error is, so that the right people look at it."""

    CALLER = "caller"
    RECIPIENT = "recipient"
    CARRIER = "carrier"
    PROVIDER = "provider"
    GATEWAY = "gateway"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class DeliveryErrorFacts:
    """What is known of one error: may another try succeed, whose fault it is, what it means, what to do."""

    retryable: bool
    fault: Fault
    explanation: str
    remedy: str


class DeliveryError(StrEnum):
    """Each way in which a message can fail; the value is the stable code in the API."""

    INVALID_RECIPIENT = "invalid-recipient"
    LANDLINE = "landline"
    UNREACHABLE = "unreachable"
    OPTED_OUT = "opted-out"
    CARRIER_BLOCKED = "carrier-blocked"
    CONTENT_FILTERED = "content-filtered"
    UNREGISTERED_SENDER = "unregistered-sender"
    SENDER_NOT_ALLOWED = "sender-not-allowed"
    MESSAGE_REFUSED = "message-refused"
    RATE_LIMITED = "rate-limited"
    PROVIDER_CREDENTIALS = "provider-credentials"
    PROVIDER_BALANCE = "provider-balance"
    PROVIDER_UNAVAILABLE = "provider-unavailable"
    PROVIDER_MISSING = "provider-missing"
    OUTCOME_UNKNOWN = "outcome-unknown"
    POISON = "poison"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def facts(self) -> DeliveryErrorFacts:
        """The catalogue's entry for this error."""
        return CATALOGUE[self]


def _entry(fault: Fault, explanation: str, remedy: str, *, retryable: bool = False) -> DeliveryErrorFacts:
    return DeliveryErrorFacts(retryable=retryable, fault=fault, explanation=explanation, remedy=remedy)


CATALOGUE: dict[DeliveryError, DeliveryErrorFacts] = {
    DeliveryError.INVALID_RECIPIENT: _entry(
        Fault.CALLER,
        "The number does not exist or cannot be written to.",
        "Correct the number or remove it from your list.",
    ),
    DeliveryError.LANDLINE: _entry(
        Fault.RECIPIENT,
        "The number is a landline, or its carrier takes no text messages.",
        "Reach this person by voice or e-mail, or ask for a mobile number.",
    ),
    DeliveryError.UNREACHABLE: _entry(
        Fault.RECIPIENT,
        "The handset is switched off, out of coverage or no longer in service.",
        "Try again later; remove the number if it keeps happening.",
    ),
    DeliveryError.OPTED_OUT: _entry(
        Fault.RECIPIENT,
        "The recipient has asked this sender to stop.",
        "Do not text this recipient until they opt in again.",
    ),
    DeliveryError.CARRIER_BLOCKED: _entry(
        Fault.CARRIER,
        "The carrier blocks this sender, this recipient or this kind of traffic.",
        "Ask the provider for the carrier's reason before you send more.",
    ),
    DeliveryError.CONTENT_FILTERED: _entry(
        Fault.CARRIER,
        "A spam filter refused the text.",
        "Change the wording, avoid public link shorteners, and keep to what was registered.",
    ),
    DeliveryError.UNREGISTERED_SENDER: _entry(
        Fault.CALLER,
        "The sender is not registered for this destination, such as a US number without a 10DLC campaign.",
        "Register the brand and campaign, or send from a registered sender.",
    ),
    DeliveryError.SENDER_NOT_ALLOWED: _entry(
        Fault.CALLER,
        "The provider does not let this account send from this sender to this destination.",
        "Use a sender that the provider account owns and that the destination accepts.",
    ),
    DeliveryError.MESSAGE_REFUSED: _entry(
        Fault.CALLER,
        "The provider found the message itself unacceptable, such as an empty or too long text.",
        "Read the provider's own code beside this error and correct the message.",
    ),
    DeliveryError.RATE_LIMITED: _entry(
        Fault.GATEWAY,
        "The provider or carrier received more than it takes at a time.",
        "It is tried again while it is valid. Lower the sender's rate if it keeps happening.",
        retryable=True,
    ),
    DeliveryError.PROVIDER_CREDENTIALS: _entry(
        Fault.GATEWAY,
        "The provider does not accept this gateway's credentials.",
        "Operators: correct the provider's credentials in the settings.",
    ),
    DeliveryError.PROVIDER_BALANCE: _entry(
        Fault.GATEWAY,
        "The provider account has no credit left.",
        "Operators: top up the provider account.",
    ),
    DeliveryError.PROVIDER_UNAVAILABLE: _entry(
        Fault.PROVIDER,
        "The provider could not be reached or did not take the message.",
        "It was tried several times. Send it again when the provider is back.",
        retryable=True,
    ),
    DeliveryError.PROVIDER_MISSING: _entry(
        Fault.GATEWAY,
        "The message is meant for a provider that is no longer in the gateway's settings.",
        "Operators: put the provider back, or move its senders to another provider.",
    ),
    DeliveryError.OUTCOME_UNKNOWN: _entry(
        Fault.PROVIDER,
        "The connection to the provider broke after the message may have been taken, and no evidence came.",
        "Decide whether a second text would do harm; send again under a new Idempotency-Key if not.",
    ),
    DeliveryError.POISON: _entry(
        Fault.GATEWAY,
        "The gateway's own workers died several times while they had this message, so it was set aside.",
        "Operators: read the workers' logs for its id; once mended, `gateway messages redrive <id>`.",
    ),
    DeliveryError.EXPIRED: _entry(
        Fault.GATEWAY,
        "The message was not sent within its validity.",
        "Send it again if it still matters, or give it a longer validity.",
    ),
    DeliveryError.UNKNOWN: _entry(
        Fault.UNKNOWN,
        "The provider gave no reason, or one that is not known here.",
        "Read the provider's own code beside this error in its documentation.",
    ),
}
