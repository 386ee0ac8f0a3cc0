"""Answers as JSON: one document, or one page of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import Request, Response

from app.api.paging import Filters, write_cursor
from app.api.schemas import JSON_OPTIONS

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[_T]):
    """How a page of things is written."""

    path: str
    place: Callable[[_T], UUID]
    """Where a thing stands in the list."""

    document: Callable[[_T], dict[str, Any]]

    def answer(self, request: Request, rows: Sequence[_T], wanted: Filters, limit: int) -> Response:
        """Answer with the first `limit` rows; where there is one more, with the cursor and the link of the next."""
        page, more = rows[:limit], len(rows) > limit
        cursor = write_cursor(self.place(page[-1]), wanted) if more else None
        data = [self.document(each) for each in page]
        response = as_json({"data": data, "next_cursor": cursor, "has_more": more})
        if cursor:
            asked = [*((k, v) for k, v in request.query_params.multi_items() if k != "cursor"), ("cursor", cursor)]
            response.headers["link"] = f'<{self.path}?{urlencode(asked)}>; rel="next"'
        return response


def as_json(document: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with a document."""
    content = orjson.dumps(document, option=JSON_OPTIONS)
    return Response(content, status_code=status, headers=headers, media_type="application/json")
