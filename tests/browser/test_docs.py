"""The API's interactive description, in a real browser that reaches nothing but the gateway."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.support.processes import Fleet

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--virtual-time-budget=10000",
    "--dump-dom",
)


@pytest.mark.browser
@pytest.mark.smoke
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
async def test_the_description_renders_without_the_internet(own_database_url: str, tmp_path: Path) -> None:
    with Fleet(own_database_url, tmp_path) as fleet:
        fleet.start("api")
        await asyncio.to_thread(fleet.wait_until_ready)
        process = await asyncio.create_subprocess_exec(
            str(CHROMIUM),
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            f"{fleet.api_url}/docs",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        page, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    for shown in (b"Send a message", b"List messages", b"/v1/messages/{message_id}/events"):
        assert shown in page
