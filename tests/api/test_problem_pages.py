"""The page behind each problem's `type`: HTML for people, JSON for programs, and nothing that a page should not do."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser

import httpx
import pytest

from app.api.problem_pages import prefers_html
from app.api.problems import STATUSES
from app.domain.errors import TITLES, ErrorCode

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


class Page(HTMLParser):
    """The tags of a page, its links, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("code", ErrorCode)
async def test_a_browser_gets_a_page_with_cause_remedy_and_all_other_codes(
    client: httpx.AsyncClient, code: ErrorCode
) -> None:
    entry = (await client.get(f"/problems/{code}")).json()
    answer = await client.get(f"/problems/{code}", headers={"accept": BROWSER})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    text = unescape(re.sub(r"</?code>", "`", answer.text))
    for shown in (TITLES[code], entry["cause"], entry["remedy"], entry["example"]["detail"]):
        assert shown in text
    page = Page(answer.text)
    assert page.open == []
    assert sorted(page.links) == sorted(set(ErrorCode) - {code})


@pytest.mark.parametrize("code", ErrorCode)
async def test_a_program_gets_the_same_as_json(client: httpx.AsyncClient, code: ErrorCode) -> None:
    answer = await client.get(f"/problems/{code}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    entry = answer.json()
    assert list(entry) == ["kind", "code", "type", "title", "status", "cause", "remedy", "example"]
    assert (entry["code"], entry["type"], entry["status"]) == (code, f"/problems/{code}", STATUSES[code])
    assert (entry["example"]["code"], entry["example"]["status"]) == (code, STATUSES[code])


async def test_the_type_of_a_problem_leads_to_its_page(client: httpx.AsyncClient) -> None:
    problem = (await client.get("/v1/messages")).json()
    page = (await client.get(problem["type"])).json()
    assert (page["code"], page["title"], page["example"]["detail"]) == (
        "unauthenticated",
        problem["title"],
        problem["detail"],
    )


async def test_a_page_loads_nothing_runs_nothing_and_cannot_be_framed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/problems/recipient-invalid", headers={"accept": "text/html"})
    page = Page(answer.text)
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "form", "base"})
    assert not any(name.startswith("on") or name == "style" for name in page.attributes)
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert answer.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_caches_are_told_that_the_answer_depends_on_accept(client: httpx.AsyncClient, accept: str) -> None:
    answer = await client.get("/problems/not-found", headers={"accept": accept})
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("code", ["no-such-code", "landline", "<script>alert(1)</script>", "..%2f..", "x" * 1_000])
async def test_a_problem_that_nobody_answers_is_not_found(client: httpx.AsyncClient, code: str) -> None:
    answer = await client.get(f"/problems/{code}", headers={"accept": BROWSER})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert code not in answer.text
    assert "script" not in answer.text


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("TEXT/HTML", True),
        ("text/*", True),
        ("application/json;q=0.8, text/html", True),
        ("text/html;level=1, application/json;q=0.1", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/problem+json", False),
        ("application/json, text/html;q=0.9", False),
        ("application/json, text/html", False),
        ("text/html;q=0", False),
        ("text/html;q=0, */*", False),
        ("text/html;q=nonsense", False),
        ("text/html;q=2", False),
        ("text/plain, */*;q=0.1", False),
        (",;,/;q=", False),
    ],
)
def test_html_is_given_to_whom_it_is_dearer_than_json(accept: str, html: bool) -> None:
    assert prefers_html(accept) is html
