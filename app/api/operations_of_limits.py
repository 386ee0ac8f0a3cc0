"""What the operations on senders, usual rates, provider accounts and accounts take and answer."""

from __future__ import annotations

from typing import Any, Final

from app.api.limit_shapes import ACCOUNT, MOMENT, SenderChange, SenderRequest
from app.api.operation import LIMITS, WITH_JSON, WITH_KEY, Operation
from app.api.usual_shapes import AccountChange, ProviderChange, RateRequest
from app.domain.errors import ErrorCode

_PAGED: Final = WITH_KEY | {ErrorCode.INVALID_CURSOR, ErrorCode.VALIDATION_FAILED}
_CHANGED: Final = WITH_KEY | WITH_JSON | {ErrorCode.NOT_FOUND}
_CURSOR: Final = "AaIEsHboczOAaf7YURMhiPxrUG3UqbHX"

_SENDER: Final[dict[str, Any]] = {
    "id": "01a204b3-5d11-7a1d-8c52-9a6f0c2b7e14",
    "account": ACCOUNT,
    "address": "+12025550100",
    "number_type": "10dlc",
    "provider": "sandbox",
    "rate": None,
    "burst": None,
    "daily_cap": None,
    "priority": "transactional",
    "weight": 1.0,
    "campaign_class": None,
    "countries": None,
    "limits": {
        "rate": 1.0,
        "burst": 1,
        "daily_cap": None,
        "sources": {"rate": "number_type", "burst": "number_type", "daily_cap": "number_type"},
    },
    "created_at": MOMENT,
}
_CHANGED_SENDER: Final[dict[str, Any]] = {
    **_SENDER,
    "daily_cap": 2000,
    "campaign_class": "T",
    "limits": {
        "rate": 1.25,
        "burst": 2,
        "daily_cap": 2000,
        "sources": {"rate": "campaign_class", "burst": "campaign_class", "daily_cap": "sender"},
    },
}
_TOLL_FREE: Final[dict[str, Any]] = {
    "number_type": "toll_free",
    "campaign_class": None,
    "rate": 3.0,
    "burst": 3,
    "daily_cap": None,
    "source": "verified toll-free numbers: 3 a second by default (AWS)",
    "date": "2026-11-25",
}
_CLASS: Final[dict[str, Any]] = {
    **_TOLL_FREE,
    "number_type": "10dlc",
    "campaign_class": "T",
    "rate": 1.25,
    "burst": 2,
    "source": "AT&T, low volume, mixed: 75 a minute (Telnyx, Bandwidth)",
    "date": "2026-04-10",
}
_PROVIDER: Final[dict[str, Any]] = {
    "name": "sandbox",
    "adapter": "sandbox",
    "rate": 50.0,
    "burst": None,
    "in_flight_cap": 20,
    "paused_at": None,
    "circuit": {"state": "closed", "open_until": None},
}
_ACCOUNT: Final[dict[str, Any]] = {
    "id": ACCOUNT,
    "name": "billing",
    "weight": 2.0,
    "queued_cap": 50000,
    "paused_at": None,
    "created_at": MOMENT,
}

OF_LIMITS: Final[dict[str, Operation]] = {
    "add_sender": Operation(
        answers="The sender, from which messages may be sent at once.",
        refusals=WITH_KEY | WITH_JSON | {ErrorCode.SENDER_EXISTS},
        examples={"added": _SENDER},
        headers=("Location", *LIMITS),
        body=SenderRequest,
        bodies={"with usual limits": {"account": ACCOUNT, "address": "+12025550100", "provider": "sandbox"}},
        needs_key=True,
    ),
    "list_senders": Operation(
        answers="One page, the one added last first.",
        refusals=_PAGED,
        examples={"page": {"data": [_SENDER], "next_cursor": _CURSOR, "has_more": True}},
        headers=("Link", *LIMITS),
        needs_key=True,
    ),
    "get_sender": Operation(
        answers="What is set for the sender, and what is in force.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND},
        examples={"usual limits": _SENDER, "some of its own": _CHANGED_SENDER},
        headers=LIMITS,
        parameters=("SenderId",),
        needs_key=True,
    ),
    "update_sender": Operation(
        answers="The sender as it stands now.",
        refusals=_CHANGED,
        examples={"changed": _CHANGED_SENDER},
        headers=LIMITS,
        parameters=("SenderId",),
        body=SenderChange,
        bodies={
            "a class and a daily cap": {"campaign_class": "T", "daily_cap": 2000},
            "a rate": {"rate": 0.25},
            "the usual rate again": {"rate": None},
        },
        needs_key=True,
    ),
    "list_sending_rates": Operation(
        answers="All of them, by number type and campaign class.",
        refusals=WITH_KEY,
        examples={"two of them": {"data": [_CLASS, _TOLL_FREE]}},
        headers=LIMITS,
        needs_key=True,
    ),
    "set_sending_rate": Operation(
        answers="What is usual from now on.",
        refusals=_CHANGED,
        examples={"set": _TOLL_FREE},
        headers=LIMITS,
        parameters=("NumberType",),
        body=RateRequest,
        bodies={"granted": {"rate": 10, "source": "our provider, by e-mail", "date": "2026-11-22"}},
        needs_key=True,
    ),
    "set_class_rate": Operation(
        answers="What is usual from now on.",
        refusals=_CHANGED,
        examples={"set": _CLASS},
        headers=LIMITS,
        parameters=("NumberType", "CampaignClass"),
        body=RateRequest,
        bodies={"granted": {"rate": 2.5, "burst": 5, "source": "The Campaign Registry, of our campaign"}},
        needs_key=True,
    ),
    "list_providers": Operation(
        answers="Those that the settings name, and the sandbox.",
        refusals=WITH_KEY,
        examples={"the sandbox": {"data": [_PROVIDER]}},
        headers=LIMITS,
        needs_key=True,
    ),
    "update_provider": Operation(
        answers="The provider account as it stands now.",
        refusals=_CHANGED,
        examples={"limited": _PROVIDER},
        headers=LIMITS,
        parameters=("Provider",),
        body=ProviderChange,
        bodies={"both limits": {"rate": 50, "in_flight_cap": 20}, "no rate": {"rate": None}},
        needs_key=True,
    ),
    "list_accounts": Operation(
        answers="One page, the newest first.",
        refusals=_PAGED,
        examples={"page": {"data": [_ACCOUNT], "next_cursor": _CURSOR, "has_more": True}},
        headers=("Link", *LIMITS),
        needs_key=True,
    ),
    "update_account": Operation(
        answers="The account as it stands now.",
        refusals=_CHANGED,
        examples={"changed": _ACCOUNT},
        headers=LIMITS,
        parameters=("AccountId",),
        body=AccountChange,
        bodies={"twice the share": {"weight": 2, "queued_cap": 50000}},
        needs_key=True,
    ),
}
"""By their ids."""
