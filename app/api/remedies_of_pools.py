"""What to do about refusals around pools and routes."""

from __future__ import annotations

from typing import Final

from app.api.remedy import Remedy, one_field
from app.domain.errors import ErrorCode, Refusal

OF_POOLS: Final = {
    ErrorCode.POOL_EXISTS: Remedy(
        cause="Pools are known by their names, and the account has one of this name.",
        remedy="Use the pool that there is, or choose another name.",
        example=one_field(
            ErrorCode.POOL_EXISTS,
            "Use another name, or change the pool that has it.",
            "/name",
            "pool-exists",
        ),
    ),
    ErrorCode.POOL_IN_USE: Remedy(
        cause="A route leads to this pool; without it, messages that leave out `from` would be refused.",
        remedy="Set those routes to something else or remove them, then delete the pool.",
        example=Refusal(
            ErrorCode.POOL_IN_USE, "Routes lead to this pool: +1, +44. Set them to another target or remove them first."
        ),
    ),
    ErrorCode.SENDER_MISSING: Remedy(
        cause="`from` was left out, and your account has no route that the recipient's number begins with.",
        remedy="Name one of your senders, or a pool as `pool:<name>`; or have a route set for such numbers, for "
        "example for +1 or +44.",
        example=one_field(
            ErrorCode.SENDER_MISSING,
            "Send `from`: a sender of yours, or `pool:<name>`. It may be left out where a route leads to `to`; "
            "`gateway routes set` sets one.",
            "/from",
            "sender-missing",
        ),
    ),
    ErrorCode.POOL_UNKNOWN: Remedy(
        cause="A pool was named that your account does not have: it was never made, or has been deleted.",
        remedy="Compare the name with your account's pools, in small letters; whoever runs the gateway makes pools.",
        example=one_field(
            ErrorCode.POOL_UNKNOWN,
            "Your account has no pool of this name. `gateway pools list` shows them, `gateway pools create` makes one.",
            "/from",
            "pool-unknown",
        ),
    ),
    ErrorCode.NO_SENDER_FOR_DESTINATION: Remedy(
        cause="The pool has no sender that may send to the recipient's country. Ten-digit, toll-free and short numbers "
        "of the US and Canada send there alone, other numbers and names everywhere else, unless a sender's `countries` "
        "say otherwise; names reach nobody in the US and Canada. Members of weight 0 are given nothing.",
        remedy="Send from another pool, or have a sender added that may send there.",
        example=one_field(
            ErrorCode.NO_SENDER_FOR_DESTINATION,
            "No member of this pool may send to the country of `to`. Add one to it that may, or use another pool.",
            "/from",
            "no-sender-for-destination",
        ),
    ),
}
