"""The proxy does to connections what it says, and says so to both sides, or to neither."""

from __future__ import annotations

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.chaos_proxy import BLACK_HOLE, CLEAR, REFUSING, ChaosProxy, Weather

QUIET_SECONDS = 0.2


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that says everything back."""

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
        except ConnectionError:
            pass  # a test has reset it
        finally:
            writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield listener.sockets[0].getsockname()[1]
    listener.close()


@pytest.fixture
def proxy(echo: int) -> Iterator[ChaosProxy]:
    with ChaosProxy(("127.0.0.1", echo)) as running:
        yield running


async def connect(proxy: ChaosProxy) -> tuple[StreamReader, StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def ask(link: tuple[StreamReader, StreamWriter], text: bytes) -> bytes:
    """Say something and read as much."""
    reader, writer = link
    writer.write(text)
    return await asyncio.wait_for(reader.readexactly(len(text)), 5)


async def is_quiet(reader: StreamReader) -> bool:
    """Whether nothing comes for a moment, not even an end."""
    try:
        await asyncio.wait_for(reader.read(1), QUIET_SECONDS)
    except TimeoutError:
        return True
    return False


async def test_in_clear_weather_everything_passes_and_so_does_each_end(proxy: ChaosProxy) -> None:
    reader, writer = link = await connect(proxy)
    assert await ask(link, b"hello" * 100_000) == b"hello" * 100_000
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    assert proxy.connections == 1


async def test_each_piece_is_delayed_in_both_directions_and_no_longer_once_the_weather_clears(
    proxy: ChaosProxy,
) -> None:
    _, writer = link = await connect(proxy)
    proxy.turn(Weather(delay_seconds=0.15))
    started = time.monotonic()
    assert await ask(link, b"slow") == b"slow"
    assert time.monotonic() - started >= 0.3
    proxy.turn(CLEAR)
    started = time.monotonic()
    assert await ask(link, b"fast") == b"fast"
    assert time.monotonic() - started < 0.15
    writer.close()


async def test_a_throttled_connection_takes_as_long_as_its_bytes(proxy: ChaosProxy) -> None:
    proxy.turn(Weather(bytes_per_second=10_000))
    _, writer = link = await connect(proxy)
    started = time.monotonic()
    assert await ask(link, b"x" * 1_500) == b"x" * 1_500
    assert time.monotonic() - started >= 0.3
    writer.close()


@pytest.mark.parametrize("by_reset", [False, True])
async def test_a_connection_ends_after_so_many_bytes_of_answers(proxy: ChaosProxy, *, by_reset: bool) -> None:
    proxy.turn(Weather(cut_after_bytes=6, cut_by_reset=by_reset))
    reader, writer = link = await connect(proxy)
    assert await ask(link, b"1234") == b"1234"
    writer.write(b"5678")
    assert await reader.readexactly(2) == b"56"
    if by_reset:
        with pytest.raises(ConnectionResetError):
            await reader.read()
    else:
        assert await reader.read() == b""
    writer.close()


async def test_a_black_hole_takes_connections_and_nothing_else_until_it_heals(proxy: ChaosProxy) -> None:
    before = await connect(proxy)
    assert await ask(before, b"1") == b"1"
    proxy.turn(BLACK_HOLE)
    after = await connect(proxy)
    for _, writer in (before, after):
        writer.write(b"2")
    assert [await is_quiet(reader) for reader, _ in (before, after)] == [True, True]
    proxy.turn(CLEAR)
    for reader, writer in (before, after):
        assert await asyncio.wait_for(reader.readexactly(1), 5) == b"2"
        writer.close()


async def test_a_frozen_connection_is_half_open_for_good_while_new_ones_work(proxy: ChaosProxy) -> None:
    reader, writer = old = await connect(proxy)
    assert await ask(old, b"1") == b"1"
    proxy.freeze()
    writer.write(b"2")
    assert await is_quiet(reader)
    new = await connect(proxy)
    assert await ask(new, b"3") == b"3"
    proxy.turn(CLEAR)
    assert await is_quiet(reader)
    writer.close()
    new[1].close()


async def test_connections_are_refused_at_the_same_port_until_they_are_taken_again(proxy: ChaosProxy) -> None:
    _, writer = old = await connect(proxy)
    assert await ask(old, b"1") == b"1"
    proxy.turn(REFUSING)
    with pytest.raises(ConnectionRefusedError):
        await connect(proxy)
    assert await ask(old, b"2") == b"2"
    proxy.turn(CLEAR)
    _, again = new = await connect(proxy)
    assert await ask(new, b"3") == b"3"
    writer.close()
    again.close()


async def test_all_connections_can_be_reset_at_once(proxy: ChaosProxy) -> None:
    links = [await connect(proxy) for _ in range(3)]
    assert [await ask(link, b"1") for link in links] == [b"1"] * 3
    proxy.cut()
    for reader, writer in links:
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_database_is_reached_through_it_by_tcp_and_by_unix_socket(postgres_url: str) -> None:
    assert ChaosProxy.to_database(postgres_url).database_url(postgres_url).count("127.0.0.1:0") == 1
    with ChaosProxy.to_database("postgresql+asyncpg://postgres@/shop?host=%2Fnowhere&port=5433") as proxy:
        url = proxy.database_url("postgresql+asyncpg://postgres@/shop?host=%2Fnowhere&port=5433")
        assert url == f"postgresql+asyncpg://postgres@127.0.0.1:{proxy.port}/shop"
        reader, writer = await connect(proxy)
        assert await reader.read() == b""
        writer.close()
