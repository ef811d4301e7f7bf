"""The proxy of the links: what each kind of weather and each cut does to what passes."""

import asyncio
import contextlib
import time

import pytest

from drill.cluster.tcp_proxy import UNIMPAIRED, Direction, LinkConditions, TcpProxy, running_proxy
from volumes.address import Address

HOST = "127.0.0.1"
PATIENCE_SECONDS = 0.2


@contextlib.asynccontextmanager
async def echo_through_proxy(free_port):
    """A proxy before a server that sends back what it gets, and how to connect to it."""

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
        # Connections that were given up are closed in the loop's next turns.
        await asyncio.sleep(0.1)


async def say(proxy: TcpProxy, words: bytes, *, wait=5.0):
    """What comes back for some bytes on a fresh connection; None if nothing does in time."""
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


def drive(free_port, description):
    """Run a story with an echo behind a proxy."""

    async def run():
        async with echo_through_proxy(free_port) as proxy:
            await description(proxy)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_fair_weather_changes_nothing(free_port):
    """Bytes come back as they went, and are counted both ways."""

    async def description(proxy):
        assert await say(proxy, b"photo" * 1000) == b"photo" * 1000
        assert proxy.bytes_passed == {Direction.TARGET: 5000, Direction.CLIENT: 5000}
        assert not proxy.did

    drive(free_port, description)


def test_a_cut_link_resets_and_refuses_until_it_is_mended(free_port):
    """Whoever is connected loses it, whoever comes is refused; both are counted."""

    async def description(proxy):
        reader, writer = await asyncio.open_connection(HOST, proxy.address.port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        proxy.cut()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await say(proxy, b"hello")
        assert proxy.did["cut"] == 2
        proxy.reconnect()
        assert await say(proxy, b"hello") == b"hello"

    drive(free_port, description)


@pytest.mark.parametrize("towards", list(Direction))
def test_one_way_is_held_back_and_counted(free_port, towards):
    """Connections stay open, nothing comes, and all of it comes when it thaws."""

    async def description(proxy):
        proxy.freeze(towards)
        assert await say(proxy, b"hello", wait=PATIENCE_SECONDS) is None
        assert proxy.did["held"] == 1
        passed = 5 if towards is Direction.CLIENT else 0
        assert proxy.bytes_passed[Direction.TARGET] == passed
        proxy.unfreeze()
        assert await say(proxy, b"hello") == b"hello"

    drive(free_port, description)


def test_bad_weather_flips_bits(free_port):
    """What arrives has as many bytes, and other ones."""

    async def description(proxy):
        proxy.conditions = LinkConditions(flip_chance=1.0)
        came = await say(proxy, bytes(100))
        assert came is not None
        assert came != bytes(100)
        assert proxy.did["flipped"] == 2
        proxy.conditions = UNIMPAIRED
        assert await say(proxy, b"fine") == b"fine"

    drive(free_port, description)


def test_bad_weather_ends_answers_in_the_middle(free_port):
    """A connection is reset when so many bytes have come back."""

    async def description(proxy):
        proxy.conditions = LinkConditions(reset_after_bytes=1000)
        assert await say(proxy, bytes(900)) == bytes(900)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await say(proxy, bytes(200_000))
        assert proxy.did["reset"] >= 1

    drive(free_port, description)


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        (LinkConditions(delay_seconds=0.1), "delayed"),
        (LinkConditions(bytes_per_second=1000), "delayed"),
        (LinkConditions(stall_chance=1.0, stall_seconds=0.1), "stalled"),
    ],
)
def test_bad_weather_takes_time(free_port, conditions, count):
    """Slow, thin and stalling links pass everything, later: a tenth of a second each way."""

    async def description(proxy):
        proxy.conditions = conditions
        begun = time.monotonic()
        assert await say(proxy, bytes(100)) == bytes(100)
        assert time.monotonic() - begun >= 2 * 0.1
        assert proxy.did[count] == 2

    drive(free_port, description)


def test_the_same_seed_has_the_same_weather(free_port):
    """What a proxy does by chance can be repeated."""
    conditions = LinkConditions(flip_chance=0.5)

    async def flips(seed):
        proxy = TcpProxy(Address(HOST, 0), Address(HOST, free_port()), seed=seed)
        proxy.conditions = conditions
        return [await proxy._with_conditions(bytes(8), 0, Direction.CLIENT) for _ in range(20)]

    assert asyncio.run(flips(7)) == asyncio.run(flips(7))
    assert asyncio.run(flips(7)) != asyncio.run(flips(8))
