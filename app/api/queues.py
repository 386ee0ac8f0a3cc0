"""What waits to be sent, sender by sender: how much, for how long, how fast it goes, and what holds it up."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.answering import as_json
from app.api.authentication import authenticate
from app.api.context import context
from app.api.paging import read_cursor, write_cursor
from app.api.queue_shapes import QueuePage, QueueQuery, moment_of, queue_document
from app.api.reading import account_read_by, note_reading
from app.domain.errors import ErrorCode, Refusal
from app.domain.figures import Figures, LaneFilter
from app.services.authentication import Caller
from app.services.queue_figures import QueueFigures
from app.store.engine import transaction

router: Final = APIRouter(prefix="/v1/queues", tags=["queues"])
_LOOK_SECONDS: Final = 2.0
"""How long a reader waits for the first look after a while in which nobody asked."""


@router.get("", operation_id="list_queues", summary="List what waits to be sent", response_model=QueuePage)
async def index(
    request: Request, caller: Annotated[Caller, Depends(authenticate)], query: Annotated[QueueQuery, Query()]
) -> Response:
    """List the queue of each of your senders, and of your test messages; with a key that belongs to no account, of all.

    The figures are those of one look at the queue, at most about a second before, or more where a million messages
    wait; `as_of` says when.
    """
    wanted = LaneFilter(account_id=account_read_by(caller, query.account), provider=query.provider)
    after = read_cursor(query.cursor, wanted)
    async with transaction(context(request).engine) as connection:
        await note_reading(connection, caller, "queues.list", query.model_dump(mode="json", exclude_none=True))
    looked = context(request).figures
    figures = await _newest(looked)
    page = figures.lanes_after(after, wanted, limit=query.limit + 1)
    shown, more = page[: query.limit], len(page) > query.limit
    cursor = write_cursor(shown[-1].limits.id, wanted) if more else None
    data = [queue_document(each, figures.at, looked.rates.rate_of(each.limits.id, figures)) for each in shown]
    document = {"as_of": moment_of(figures.at), "data": data, "next_cursor": cursor, "has_more": more}
    response = as_json(document)
    if cursor:
        asked = [*((k, v) for k, v in request.query_params.multi_items() if k != "cursor"), ("cursor", cursor)]
        response.headers["link"] = f'</v1/queues?{urlencode(asked)}>; rel="next"'
    return response


async def _newest(looked: QueueFigures) -> Figures:
    figures = await looked.ready(within_seconds=_LOOK_SECONDS)
    if figures is None:
        raise Refusal(
            ErrorCode.TEMPORARILY_UNAVAILABLE,
            "The queue could not be counted in time. Ask again in a moment.",
            retry_after_seconds=2,
        )
    return figures
