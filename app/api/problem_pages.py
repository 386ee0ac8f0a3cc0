"""A page for each refusal, at the address that its problem document names: HTML for people, JSON for programs."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from html import escape
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response

from app.api.errors import ExplainedRefusal, explain_refusal
from app.domain.errors import TITLES, ErrorCode, Refusal

router: Final = APIRouter(prefix="/problems", tags=["errors"])
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --quiet: #767676; --accent: #0b65c2 }
@media (prefers-color-scheme: dark) { :root { --quiet: #9a9a9a; --accent: #7db7f5 } }
* { box-sizing: border-box }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .2rem 0 1rem }
h2 { font-size: 1rem; margin: 2rem 0 .3rem }
p { margin: 0 }
a { color: var(--accent) }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
pre { padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .5rem }
.quiet { color: var(--quiet) }
ul { list-style: none; margin: .3rem 0 0; padding: 0; columns: 16rem }
"""
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title} - Messaging Gateway</title>
<style>{style}</style>
</head>
<body>
<main>
<p class="quiet">{status} <code>{code}</code></p>
<h1>{title}</h1>
<h2>What happened</h2>
<p>{cause}</p>
<h2>What to do</h2>
<p>{remedy}</p>
<h2>An example</h2>
<pre>{example}</pre>
</main>
<nav>
<h2>All problems</h2>
<ul>
{others}
</ul>
</nav>
</body>
</html>
"""
_STYLE_DIGEST: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HTML_HEADERS: Final = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_VARY: Final = {"vary": "Accept"}
_WEIGHT: Final = re.compile(r"q=([01](?:\.[0-9]{0,3})?)", re.IGNORECASE | re.ASCII)
_CODE: Final = re.compile(r"`([^`]+)`")


@router.get("/{code}", operation_id="get_problem", summary="Explain a problem", response_model=ExplainedRefusal)
async def show(request: Request, code: str) -> Response:
    """Explain the problem whose document led here: as a page to a browser, else as JSON."""
    if code not in TITLES:
        raise Refusal(ErrorCode.NOT_FOUND, "There is no problem with this code. GET /v1/errors lists all.")
    explained = explain_refusal(ErrorCode(code))
    if prefers_html(request.headers.get("accept", "*/*")):
        return Response(_page(explained), media_type="text/html", headers={**_VARY, **_HTML_HEADERS})
    return Response(orjson.dumps(explained), media_type="application/json", headers=_VARY)


def prefers_html(accept: str) -> bool:
    """Whether an Accept header (RFC 9110 section 12.5.1) asks for HTML rather than JSON; a tie is JSON's."""
    return _weight(accept, "text/html") > _weight(accept, "application/json")


def _weight(accept: str, wanted: str) -> float:
    """Give the weight of the most specific range that a media type falls into; 0 for none, and for a broken one."""
    kind = f"{wanted.partition('/')[0]}/*"
    weights = {}
    for part in accept.lower().split(","):
        media_range, *parameters = (word.strip() for word in part.split(";"))
        given = [word for word in parameters if word.startswith("q=")]
        match = _WEIGHT.fullmatch(given[0]) if given else None
        weights[media_range] = float(match[1]) if match else 0.0 if given else 1.0
    return next((weights[each] for each in (wanted, kind, "*/*") if each in weights), 0.0)


def _page(explained: dict[str, Any]) -> str:
    here = explained["code"]
    others = "\n".join(_link(code, title, here=code is here) for code, title in TITLES.items())
    return _PAGE.format(
        style=_STYLE,
        title=escape(explained["title"]),
        code=escape(here),
        status=explained["status"],
        cause=_marked(explained["cause"]),
        remedy=_marked(explained["remedy"]),
        example=escape(json.dumps(explained["example"], indent=2, ensure_ascii=False)),
        others=others,
    )


def _link(code: ErrorCode, title: str, *, here: bool) -> str:
    """Give one line of the list; the reference is relative, so that it works below any path of a proxy."""
    return f"<li>{code}</li>" if here else f'<li><a href="{code}" title="{escape(title)}">{code}</a></li>'


def _marked(text: str) -> str:
    """Escape a sentence, and set what stands in backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
