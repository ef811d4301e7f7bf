"""The TCP proxy with each fault and each link condition."""

import asyncio
import contextlib
import time

import pytest

from drill.cluster.tcp_proxy import UNIMPAIRED, Direction, LinkConditions, TcpProxy, running_proxy
from volumes.address import Address

HOST = "127.0.0.1"
SILENCE_SECONDS = 0.2


@contextlib.asynccontextmanager
async def echo_through_proxy(free_port):
    """Run a proxy in front of an echo server."""

    async def echo(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    target, listen = Address(HOST, free_port()), Address(HOST, free_port())
    async with (
        await asyncio.start_server(echo, target.host, target.port),
        running_proxy(listen, target) as proxy,
    ):
        yield proxy
        await proxy.close()
        # The loop closes abandoned connections in its next turns.
        await asyncio.sleep(0.1)


async def echo(proxy: TcpProxy, words: bytes, *, wait=5.0):
    """Send bytes on a new connection; return the echo, or None after `wait` seconds."""
    reader, writer = await asyncio.open_connection(proxy.address.host, proxy.address.port)
    try:
        writer.write(words)
        return await asyncio.wait_for(reader.readexactly(len(words)), wait)
    except TimeoutError:
        return None
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def run_with_echo(free_port, scenario):
    """Run a scenario with an echo server behind a proxy."""

    async def run():
        async with echo_through_proxy(free_port) as proxy:
            await scenario(proxy)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_an_unimpaired_link_forwards_bytes_unchanged(free_port):
    """Bytes return unchanged, and the proxy counts them in both directions."""

    async def scenario(proxy):
        assert await echo(proxy, b"photo" * 1000) == b"photo" * 1000
        assert proxy.bytes_passed == {Direction.TARGET: 5000, Direction.CLIENT: 5000}
        assert not proxy.did

    run_with_echo(free_port, scenario)


def test_a_cut_link_resets_connections_until_it_is_reconnected(free_port):
    """A cut link resets open and new connections, and counts both."""

    async def scenario(proxy):
        reader, writer = await asyncio.open_connection(HOST, proxy.address.port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        proxy.cut()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await echo(proxy, b"hello")
        assert proxy.did["cut"] == 2
        proxy.reconnect()
        assert await echo(proxy, b"hello") == b"hello"

    run_with_echo(free_port, scenario)


@pytest.mark.parametrize("direction", list(Direction))
def test_a_frozen_direction_is_held_and_counted(free_port, direction):
    """Connections stay open, and bytes pass again after `unfreeze`."""

    async def scenario(proxy):
        proxy.freeze(direction)
        assert await echo(proxy, b"hello", wait=SILENCE_SECONDS) is None
        assert proxy.did["held"] == 1
        passed = 5 if direction is Direction.CLIENT else 0
        assert proxy.bytes_passed[Direction.TARGET] == passed
        proxy.unfreeze()
        assert await echo(proxy, b"hello") == b"hello"

    run_with_echo(free_port, scenario)


def test_flipped_bits(free_port):
    """The proxy flips bits without changing the length."""

    async def scenario(proxy):
        proxy.conditions = LinkConditions(flip_probability=1.0)
        came = await echo(proxy, bytes(100))
        assert came is not None
        assert came != bytes(100)
        assert proxy.did["flipped"] == 2
        proxy.conditions = UNIMPAIRED
        assert await echo(proxy, b"fine") == b"fine"

    run_with_echo(free_port, scenario)


def test_a_reset_in_the_middle_of_a_response(free_port):
    """The proxy resets a connection after the configured number of bytes to the client."""

    async def scenario(proxy):
        proxy.conditions = LinkConditions(reset_after_bytes=1000)
        assert await echo(proxy, bytes(900)) == bytes(900)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await echo(proxy, bytes(200_000))
        assert proxy.did["reset"] >= 1

    run_with_echo(free_port, scenario)


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        (LinkConditions(delay_seconds=0.1), "delayed"),
        (LinkConditions(bytes_per_second=1000), "delayed"),
        (LinkConditions(stall_probability=1.0, stall_seconds=0.1), "stalled"),
    ],
)
def test_slow_links_delay_all_bytes(free_port, conditions, count):
    """Delay, low bandwidth, and stalls add 0.1 s in each direction, and lose nothing."""

    async def scenario(proxy):
        proxy.conditions = conditions
        begun = time.monotonic()
        assert await echo(proxy, bytes(100)) == bytes(100)
        assert time.monotonic() - begun >= 2 * 0.1
        assert proxy.did[count] == 2

    run_with_echo(free_port, scenario)


def test_the_same_seed_flips_the_same_bits(free_port):
    """Random faults are reproducible."""
    conditions = LinkConditions(flip_probability=0.5)

    async def flips(seed):
        proxy = TcpProxy(Address(HOST, 0), Address(HOST, free_port()), seed=seed)
        proxy.conditions = conditions
        return [await proxy._with_conditions(bytes(8), 0, Direction.CLIENT) for _ in range(20)]

    assert asyncio.run(flips(7)) == asyncio.run(flips(7))
    assert asyncio.run(flips(7)) != asyncio.run(flips(8))
