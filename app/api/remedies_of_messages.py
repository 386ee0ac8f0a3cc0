"""What to do about refusals of what was asked of messages."""

from __future__ import annotations

from typing import Final

from app.api.remedy import Remedy, one_field
from app.domain.errors import ErrorCode, Refusal
from app.domain.status import MessageStatus

_NOT_E164: Final = (
    "Write `to` in E.164: a plus, the country code and the number, digits only. Did you mean +15559876543?"
)

OF_MESSAGES: Final = {
    ErrorCode.SENDER_NOT_OWNED: Remedy(
        cause="`from` is a well-formed sender, but your account does not own it.",
        remedy="Send from one of your account's senders, or have this one added to it by whoever runs the gateway. A "
        "test key may use any sender.",
        example=one_field(
            ErrorCode.SENDER_NOT_OWNED,
            "`from` is not one of your account's senders. `gateway senders list` shows them, `gateway senders add` "
            "adds one; a test key may send from any.",
            "/from",
            "sender-not-owned",
        ),
    ),
    ErrorCode.NOT_CANCELABLE: Remedy(
        cause="A message can be canceled while it waits. This one is being sent, or was, or is over; `message_status` "
        "says where it stands.",
        remedy="Read the message to see what became of it. To be able to change your mind, send with `send_at`.",
        example=Refusal(
            ErrorCode.NOT_CANCELABLE,
            "The message is sent already. Only one that is scheduled, held or queued, and that no worker has taken "
            "yet, can be canceled.",
            message_status=MessageStatus.SENT,
        ),
    ),
    ErrorCode.NOT_REDRIVABLE: Remedy(
        cause="A message is redriven that was set aside with the error `poison` and is still worth sending. This one "
        "never was, has been redriven already, or is stale; `message_status` says where it stands.",
        remedy="Read the message to see what became of it. To send another one's text again, send it as a new message.",
        example=Refusal(
            ErrorCode.NOT_REDRIVABLE,
            "The message is queued. Only one that was set aside as poison and is still worth sending can be redriven; "
            "send another one anew.",
            message_status=MessageStatus.QUEUED,
        ),
    ),
    ErrorCode.RECIPIENT_INVALID: Remedy(
        cause="`to` is not a telephone number in E.164, or no number of its country looks like it.",
        remedy="Write a plus, the country code and the number, digits only. Where the gateway can tell what was "
        "meant, `suggestion` holds it; ask the person rather than guess.",
        example=one_field(ErrorCode.RECIPIENT_INVALID, _NOT_E164, "/to", "not-e164", "+15559876543"),
    ),
    ErrorCode.DESTINATION_NOT_ALLOWED: Remedy(
        cause="The number is real, but of a kind that is not texted: premium rate, shared cost, satellite, a short "
        "code, or another that costs a fortune or takes no texts.",
        remedy="Ask for a mobile number.",
        example=one_field(
            ErrorCode.DESTINATION_NOT_ALLOWED,
            "Premium, shared-cost, satellite and service numbers are not texted.",
            "/to",
            "destination-not-allowed",
        ),
    ),
    ErrorCode.MESSAGE_TOO_LONG: Remedy(
        cause="The text makes more billed parts than `max_segments` allows. One character outside the GSM alphabet, "
        "such as an emoji or a curly quote, turns the whole text into UCS-2, whose parts hold less than half as much.",
        remedy="Shorten the text, replace such characters, or raise `max_segments` (at most 10).",
        example=one_field(
            ErrorCode.MESSAGE_TOO_LONG,
            "The text takes 7 segments in gsm-7, and 6 are allowed. Shorten it, or raise `max_segments` (at most 10).",
            "/body",
            "too-many-segments",
        ),
    ),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: Remedy(
        cause="This Idempotency-Key came before with another body. Nothing was sent now; the earlier message is as it "
        "was.",
        remedy="To repeat a request, send exactly its body again. For a new message use a new key.",
        example=Refusal(
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key belongs to a request with another body. Use a new key for a new message.",
        ),
    ),
    ErrorCode.QUEUE_FULL: Remedy(
        cause="As many messages of your account wait to be sent as it may have waiting, or so much waits at this "
        "sender that it would come to the message too late.",
        remedy="Wait for as long as Retry-After says, and send the same request again with its Idempotency-Key. If it "
        "lasts, compare what you send with your senders' rates: `GET /v1/queues` shows both.",
        example=Refusal(
            ErrorCode.QUEUE_FULL,
            "1000000 messages of your account wait to be sent, and more may not. Send again when there are fewer, or "
            "cancel some.",
            retry_after_seconds=30,
        ),
    ),
}
