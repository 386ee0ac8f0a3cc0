"""What the operations on pools and routes take and answer."""

from __future__ import annotations

from typing import Any, Final

from app.api.operation import LIMITS, WITH_JSON, WITH_KEY, Operation
from app.api.pool_shapes import MemberRequest, PoolChange, PoolRequest, RouteRequest
from app.domain.errors import ErrorCode

_ACCOUNT: Final = "01a204b3-426e-7a1d-b5a3-147c6253cbc2"
_EMPTY: Final[dict[str, Any]] = {
    "id": "01a204b3-77aa-7a1d-9d0e-2f3b1c5a8e90",
    "account": _ACCOUNT,
    "name": "support",
    "match_area": False,
    "created_at": "2026-11-22T19:16:43.368000Z",
    "members": [],
}
_POOL: Final[dict[str, Any]] = {
    **_EMPTY,
    "members": [
        {
            "sender_id": "01a204b3-5d11-7a1d-8c52-9a6f0c2b7e14",
            "address": "+12025550100",
            "number_type": "10dlc",
            "provider": "sandbox",
            "countries": None,
            "weight": 1.0,
        }
    ],
}
_ROUTE: Final[dict[str, Any]] = {
    "id": "01a204b4-02cd-7a1d-b6f4-6f0e8d7c1a25",
    "account": _ACCOUNT,
    "prefix": "+1",
    "target": "pool:support",
    "created_at": "2026-11-22T19:16:43.368000Z",
}

OF_POOLS: Final[dict[str, Operation]] = {
    "create_pool": Operation(
        answers="The pool, which has no members yet.",
        refusals=WITH_KEY | WITH_JSON | {ErrorCode.POOL_EXISTS},
        examples={"made": _EMPTY},
        headers=LIMITS,
        body=PoolRequest,
        bodies={"of an account": {"account": _ACCOUNT, "name": "support"}},
        needs_key=True,
    ),
    "list_pools": Operation(
        answers="The pools, by name.",
        refusals=WITH_KEY | {ErrorCode.VALIDATION_FAILED},
        examples={"one pool": {"data": [_POOL]}},
        headers=LIMITS,
        needs_key=True,
    ),
    "get_pool": Operation(
        answers="The pool as it stands.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND},
        examples={"one sender": _POOL},
        headers=LIMITS,
        parameters=("PoolId",),
        needs_key=True,
    ),
    "update_pool": Operation(
        answers="The pool as it stands now.",
        refusals=WITH_KEY | WITH_JSON | {ErrorCode.NOT_FOUND},
        examples={"by area": {**_POOL, "match_area": True}},
        headers=LIMITS,
        parameters=("PoolId",),
        body=PoolChange,
        bodies={"by area": {"match_area": True}},
        needs_key=True,
    ),
    "delete_pool": Operation(
        answers="The pool as it was.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND, ErrorCode.POOL_IN_USE},
        examples={"deleted": _POOL},
        headers=LIMITS,
        parameters=("PoolId",),
        needs_key=True,
    ),
    "put_pool_member": Operation(
        answers="The pool as it stands now.",
        refusals=WITH_KEY | WITH_JSON | {ErrorCode.NOT_FOUND},
        examples={"added": _POOL},
        headers=LIMITS,
        parameters=("PoolId", "SenderId"),
        body=MemberRequest,
        bodies={"like the others": {}, "half as much": {"weight": 0.5}, "nothing new": {"weight": 0}},
        needs_key=True,
    ),
    "remove_pool_member": Operation(
        answers="The pool as it stands now.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND},
        examples={"removed": _EMPTY},
        headers=LIMITS,
        parameters=("PoolId", "SenderId"),
        needs_key=True,
    ),
    "set_route": Operation(
        answers="The route as it stands now.",
        refusals=WITH_KEY | WITH_JSON | {ErrorCode.POOL_UNKNOWN, ErrorCode.SENDER_NOT_OWNED},
        examples={"to a pool": _ROUTE},
        headers=LIMITS,
        body=RouteRequest,
        bodies={
            "to a pool": {"account": _ACCOUNT, "prefix": "+1", "target": "pool:support"},
            "to a sender": {"account": _ACCOUNT, "prefix": "+44", "target": "+447400123456"},
        },
        needs_key=True,
    ),
    "list_routes": Operation(
        answers="The routes, by prefix.",
        refusals=WITH_KEY | {ErrorCode.VALIDATION_FAILED},
        examples={"one route": {"data": [_ROUTE]}},
        headers=LIMITS,
        needs_key=True,
    ),
    "remove_route": Operation(
        answers="The route as it was.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND},
        examples={"removed": _ROUTE},
        headers=LIMITS,
        parameters=("RouteId",),
        needs_key=True,
    ),
}
"""By their ids."""
