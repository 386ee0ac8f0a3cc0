"""The harness does not flatter: it sees refusals, cut answers, missing rows and rows that are not alike."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.attempt_token import read_token
from app.domain.http import WebhookRequest
from app.domain.phone import RecipientRefused, check_recipient
from app.providers.sandbox import Adapter, Config
from tests.bench.harness.bare_loop import BarePlan, run_bare_loop
from tests.bench.harness.client import LoadFailed, Plan, drive, percentile, plan_as_json, plan_from_json
from tests.bench.harness.database import NotDurable, Shape, check_durable, differences
from tests.bench.harness.measuring import Measured, RoundInvalid, check_counts
from tests.bench.harness.profiling import print_summary
from tests.bench.harness.provider_process import running_provider
from tests.bench.harness.report import medians
from tests.bench.harness.traffic import Kind, Traffic, traffic
from tests.bench.harness.usage import family_cpu_seconds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc and use epoll")

Shapes = dict[str, Shape]
URL = "http://127.0.0.1:8080"
WANTED = Traffic(
    kind=Kind.ACCEPT,
    url=URL,
    user="mgw_live_abcdefghijkl",
    password="x" * 38,
    sender="+12025550100",
    first=99_999_990,
    ready=20,
    secret_key="s" * 40,
    webhook_secret="webhook-secret",
)
ANSWER = b"HTTP/1.1 202 Accepted\r\nserver: x\r\ncontent-length: 4\r\n\r\nbody"


@contextmanager
def a_peer(*pieces: bytes) -> Iterator[int]:
    """Answers each request with these pieces, one by one; after an empty one it closes."""

    def serve() -> None:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            while connection.recv(4096):
                for piece in pieces:
                    if not piece:
                        return
                    connection.sendall(piece)
                    pause.wait(0.02)

    pause = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def plan(port: int) -> Plan:
    return Plan(host="127.0.0.1", port=port, connections=1, seconds=60, requests=3, traffic=WANTED)


@pytest.mark.parametrize(
    "pieces",
    [(ANSWER,), (ANSWER[:5], ANSWER[5:]), (ANSWER[:40], ANSWER[40:-2], ANSWER[-2:])],
    ids=["whole", "cut in its status", "cut in its head and body"],
)
def test_an_answer_is_counted_once_however_it_arrives(pieces: tuple[bytes, ...]) -> None:
    with a_peer(*pieces) as port:
        tally = drive(plan(port), iter([b"one", b"two", b"three"]))
    assert tally.statuses == {202: 3}
    assert tally.p50_ms <= tally.p99_ms <= tally.seconds * 1000


def test_refusals_are_counted_as_what_they_are() -> None:
    with a_peer(ANSWER.replace(b"202 Accepted", b"429 Too Many")) as port:
        assert drive(plan(port), iter([b"one", b"two"])).statuses == {429: 2}


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ((b"",), "closed"),
        ((ANSWER[:-1], b""), "closed"),
        ((ANSWER + b"!",), "more bytes"),
        ((ANSWER.replace(b"content-length", b"content-type"),), "no content-length"),
    ],
    ids=["no answer", "half an answer", "more than one answer", "an answer of unknown length"],
)
def test_what_is_no_whole_answer_ends_the_measurement(pieces: tuple[bytes, ...], said: str) -> None:
    with a_peer(*pieces) as port, pytest.raises(LoadFailed, match=said):
        drive(plan(port), iter([b"one"]))


@pytest.mark.parametrize(("percent", "value"), [(50, 50.0), (99, 99.0), (100, 100.0), (1, 1.0)])
def test_a_percentile_is_a_value_that_occurred(percent: float, value: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], percent) == value


def test_a_percentile_of_few_values_is_the_one_that_enough_do_not_exceed() -> None:
    assert (percentile([1.0, 2.0, 3.0], 50), percentile([1.0], 99), percentile([], 50)) == (2.0, 1.0, 0.0)


@pytest.mark.parametrize("kind", list(Kind))
def test_requests_have_one_length_and_no_two_are_alike(kind: Kind) -> None:
    wanted = Traffic.from_json({**vars(WANTED), "kind": kind})
    requests = list(traffic(wanted, limit=20))
    assert len(set(requests)) == 20
    assert len({len(request) for request in requests}) == 1
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in head.splitlines()


def test_every_recipient_is_a_number_that_its_country_assigns() -> None:
    requests = itertools.islice(traffic(WANTED, limit=None), 500)
    recipients = {request.partition(b'"to":"')[2][:14].decode() for request in requests}
    checked = [check_recipient(recipient, fictional_allowed=False) for recipient in recipients]
    assert [number for number in checked if isinstance(number, RecipientRefused)] == []
    assert len(recipients) == 500


def test_webhooks_are_signed_for_the_url_that_they_are_posted_to() -> None:
    config = Config.model_validate(
        {"url": URL, "api_key": "a", "api_secret": "b", "webhook_secret": WANTED.webhook_secret}
    )
    for request in traffic(Traffic.from_json({**vars(WANTED), "kind": Kind.WEBHOOK}), limit=3):
        head, _, body = request.partition(b"\r\n\r\n")
        first, *fields = head.decode().splitlines()
        path = first.split()[1]
        webhook = WebhookRequest(
            method="POST", url=f"{URL}{path}", headers=dict(field.split(": ", 1) for field in fields), body=body
        )
        Adapter(config).verify_webhook(webhook, now=datetime.now(UTC), documents={})
        assert len(Adapter(config).parse_webhook(webhook)) == 1
        assert read_token(path.rpartition("/")[2], provider="sandbox", secret=b"s" * 40) is not None


def test_a_plan_survives_its_way_to_the_client() -> None:
    assert plan_from_json(plan_as_json(plan(80))) == plan(80)


@pytest.mark.parametrize(
    ("counts", "complaint"),
    [({"messages": 9}, "9"), ({"messages": 11}, "11"), ({}, "10"), ({"messages": 10, "attempts": 1}, "attempts")],
)
def test_a_round_whose_rows_are_not_its_answers_is_void(counts: dict[str, int], complaint: str) -> None:
    check_counts({"messages": 10}, {"messages": 10})
    with pytest.raises(RoundInvalid, match=complaint):
        check_counts(counts, {"messages": 10})


def test_rows_that_are_not_alike_are_named() -> None:
    ours: Shapes = {"messages": {"id": (1.0, 16, 16), "body": (1.0, 50, 50), "send_at": (0.0, None, None)}}
    theirs: Shapes = {"messages": {"id": (1.0, 16, 16), "body": (1.0, 40, 50), "send_at": (0.0, None, None)}}
    more: Shapes = {**ours, "attempts": {"no": (1.0, 2, 2)}}
    assert differences(ours, ours) == []
    assert differences(ours, theirs) == ["messages.body: (1.0, 50, 50) and (1.0, 40, 50)"]
    assert differences(ours, more) == ["attempts.no: None and (1.0, 2, 2)"]


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit", "full_page_writes"])
def test_a_server_that_does_not_wait_for_the_disk_is_refused(name: str) -> None:
    durable = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
    check_durable(durable)
    with pytest.raises(NotDurable, match=f"{name} is off"):
        check_durable({**durable, name: "off"})


def test_the_provider_counts_what_the_bare_loop_sends_and_sees_that_it_is_one_message_over_and_over() -> None:
    with running_provider() as provider:
        provider.reset(latency_seconds=0.02)
        tally = run_bare_loop(
            BarePlan(url=provider.url, public_url=URL, concurrency=2, warm_up_seconds=0.05, seconds=0.1)
        )
        arrived = provider.arrived()
        assert (arrived.requests, arrived.messages, len(arrived.at)) == (tally.requests, 1, tally.requests)
        assert tally.p50_ms >= 20
        provider.reset()
        assert provider.requests() == 0


def measured(what: str, per_second: float, p99_ms: float | None) -> Measured:
    return Measured(
        what=what,
        count=10,
        per_second=per_second,
        p50_ms=None,
        p99_ms=p99_ms,
        mean_ms=1.0,
        gateway_us=None,
        postgres_us=1.0,
        peer_us=1.0,
    )


def test_each_kind_has_a_median_of_its_own() -> None:
    middle = medians([measured("a", 1, 5.0), measured("b", 9, None), measured("a", 2, 6.0), measured("a", 300, 7.0)])
    assert (middle["a"].per_second, middle["a"].p99_ms, middle["a"].count) == (2, 6.0, 30)
    assert (middle["b"].per_second, middle["b"].p99_ms, middle["b"].count) == (9, None, 10)


def test_the_processor_time_of_an_ended_child_is_its_parents() -> None:
    before = family_cpu_seconds(os.getpid())
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)  # noqa: S603 - our own command
    assert 0.25 < family_cpu_seconds(os.getpid()) - before < 5


def test_a_profile_is_summed_up_by_function_and_by_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stacks = tmp_path / "stacks"
    lines = [
        "run (asyncio/a.py:1);f (app/x.py:2) 3",
        "run (asyncio/a.py:1);f (app/x.py:9) 2",
        "run (asyncio/a.py:1);f (app/x.py:9);send (libc.so.6) 1",
        "send (libc.so.6) 2",
        "run (asyncio/a.py:1);epoll_pwait (libc.so.6) 8",
    ]
    stacks.write_text("\n".join(lines))
    print_summary(stacks, markdown=True)
    assert capsys.readouterr().out.splitlines() == [
        "",
        "samples: 16, of which 50% waited for work; shares are of the others",
        "",
        "| share | function on top |",
        "| --- | --- |",
        "| 62.5% | f (app/x.py) |",
        "| 37.5% | send (libc.so.6) |",
        "",
        "| share | library below it |",
        "| --- | --- |",
        "| 75.0% | app |",
        "| 25.0% | other |",
    ]
