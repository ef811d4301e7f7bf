"""Small writes share requests, and failures or cancellations affect no other write."""

import asyncio

import pytest

from runtime.request_scope import (
    RequestScope,
    current_request_id,
    new_request_id,
    request_scope,
)
from storagenode.protocol.batch_wire import BATCH_FILES_MAX, WRITE_BYTES_MAX, InMemoryFile
from storagenode.protocol.errors import Gone, Unreachable
from storagenode.protocol.files import Published
from storagenode.transport.write_batcher import WriteBatcher
from tests.storagenode.photo_samples import MTIME, digest_of, variant_of, version_of


def file_of(number, *, size=3000):
    """Return a small file with bytes of its own."""
    data = bytes([number % 256]) * size
    return InMemoryFile(variant_of(version_of(number)), data, digest_of(data), MTIME)


def published_of(file):
    """Return what a node reports after writing a file."""
    path, size = file.place.path, len(file.data)
    return Published(path, file.digest, size, file.mtime_seconds, existed=False)


class Node:
    """A node that accepts requests and responds on demand."""

    def __init__(self):
        self.requests = []
        self.gave_up = 0

    async def write(self, files):
        """Accept one request."""
        response = asyncio.get_running_loop().create_future()
        self.requests.append((files, response))
        try:
            return await response
        except asyncio.CancelledError:
            self.gave_up += 1
            raise

    def respond(self, number=0):
        """Report that all files of a request are written."""
        files, response = self.requests[number]
        response.set_result([published_of(file) for file in files])

    def sizes(self):
        """Return the number of files of each request."""
        return [len(files) for files, _ in self.requests]


async def begin(writes, files):
    """Start puts of files; return their tasks."""
    tasks = [asyncio.create_task(writes.put(file)) for file in files]
    await run_pending()
    return tasks


async def run_pending():
    """Run everything that is ready."""
    for _ in range(8):
        await asyncio.sleep(0)


async def busy(node):
    """Return a batcher with one write in flight, and its task."""
    writes = WriteBatcher(node.write)
    return writes, *await begin(writes, [file_of(0)])


def test_a_request_has_the_ids_of_all_requests_that_it_serves():
    """The node's log lines can be found by each of them."""

    async def run():
        node, ids = Node(), []

        async def write(files):
            ids.append(current_request_id())
            return await node.write(files)

        writes, first = WriteBatcher(write), new_request_id()
        with request_scope(RequestScope(first)):
            tasks = await begin(writes, [file_of(0)])
        others = [new_request_id() for _ in range(2)]
        for number, other in enumerate(others, 1):
            with request_scope(RequestScope(other)):
                tasks += await begin(writes, [file_of(number)])
        node.respond()
        await run_pending()
        node.respond(1)
        await asyncio.gather(*tasks)
        assert ids == [first, ",".join(others)]

    asyncio.run(run())


def test_a_single_write_is_sent_at_once():
    """It does not wait for others."""

    async def run():
        node = Node()
        (task,) = await begin(WriteBatcher(node.write), [file_of(1)])
        assert node.sizes() == [1]
        node.respond()
        assert await task == published_of(file_of(1))

    asyncio.run(run())


def test_writes_during_a_request_share_the_next_one_in_order():
    """Each gets the outcome of its own file."""

    async def run():
        node = Node()
        writes, first = await busy(node)
        files = [file_of(number) for number in range(10, 15)]
        later = await begin(writes, files)
        assert node.sizes() == [1]
        node.respond()
        assert await first == published_of(file_of(0))
        await run_pending()
        assert node.requests[1][0] == files
        node.respond(1)
        assert await asyncio.gather(*later) == [published_of(file) for file in files]

    asyncio.run(run())


def test_a_request_has_a_maximum_number_of_files():
    """The others follow in the next request."""

    async def run():
        node = Node()
        writes, _ = await busy(node)
        later = await begin(
            writes, [file_of(number) for number in range(100, 100 + BATCH_FILES_MAX + 3)]
        )
        for number in range(3):
            node.respond(number)
            await run_pending()
        assert node.sizes() == [1, BATCH_FILES_MAX, 3]
        await asyncio.gather(*later)

    asyncio.run(run())


def test_a_request_has_a_maximum_size():
    """Larger files share fewer requests."""

    async def run():
        node = Node()
        writes, _ = await busy(node)
        size = WRITE_BYTES_MAX // 4
        await begin(writes, [file_of(number, size=size) for number in range(10, 16)])
        node.respond()
        await run_pending()
        assert node.sizes() == [1, 4]
        writes.close()

    asyncio.run(run())


def test_a_refused_file_affects_no_other():
    """Only its own caller gets the error."""

    async def run():
        async def refusing_the_first(files):
            return [Gone("it is gone"), *(published_of(file) for file in files[1:])]

        node = Node()
        writes, _ = await busy(node)
        later = await begin(writes, [file_of(7), file_of(8)])
        writes._send = refusing_the_first
        node.respond()
        with pytest.raises(Gone):
            await later[0]
        assert await later[1] == published_of(file_of(8))
        writes.close()

    asyncio.run(run())


@pytest.mark.parametrize("error", [Unreachable("it hung up"), KeyError("a bug")])
def test_an_error_of_a_request_is_raised_to_all_its_callers(error):
    """No caller waits forever."""

    async def run():
        node = Node()
        writes, first = await busy(node)
        node.requests[0][1].set_exception(error)
        with pytest.raises(type(error)):
            await first
        (later,) = await begin(writes, [file_of(9)])
        node.respond(-1)
        assert await later == published_of(file_of(9))
        writes.close()

    asyncio.run(run())


def test_a_cancelled_caller_affects_no_other():
    """A request is cancelled when all its callers are."""

    async def run():
        node = Node()
        writes, _ = await busy(node)
        later = await begin(writes, [file_of(7), file_of(8)])
        node.respond()
        await run_pending()
        later[0].cancel()
        await run_pending()
        assert node.gave_up == 0
        later[1].cancel()
        await run_pending()
        assert node.gave_up == 1
        writes.close()

    asyncio.run(run())


def test_a_file_of_a_cancelled_caller_is_not_sent():
    """It was cancelled before its request started."""

    async def run():
        node = Node()
        writes, _ = await busy(node)
        later = await begin(writes, [file_of(7), file_of(8)])
        later[0].cancel()
        node.respond()
        await run_pending()
        assert node.requests[-1][0] == [file_of(8)]
        writes.close()

    asyncio.run(run())


def test_closing_cancels_all_writes():
    """Also those in flight to a frozen node."""

    async def run():
        node = Node()
        writes, first = await busy(node)
        later = await begin(writes, [file_of(7)])
        writes.close()
        ended = await asyncio.gather(first, *later, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended)
        await run_pending()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_a_caller_cancelled_during_its_request_affects_no_other():
    """The others of the same request get their results, and nothing fails in the background."""

    async def run():
        failures = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: failures.append(context)
        )
        node = Node()
        writes, first = await busy(node)
        waiting = await begin(writes, [file_of(number) for number in (1, 2, 3)])
        node.respond()
        await run_pending()
        waiting[0].cancel()
        await run_pending()
        node.respond(1)
        assert [each.digest for each in await asyncio.gather(*waiting[1:])] == [
            file_of(number).digest for number in (2, 3)
        ]
        await first
        await run_pending()
        assert failures == []
        assert node.sizes() == [1, 3]

    asyncio.run(asyncio.wait_for(run(), 10))


def test_files_of_cancelled_callers_are_dropped_and_the_next_one_is_sent():
    """Whatever waits behind them is not delayed."""

    async def run():
        node = Node()
        writes, first = await busy(node)
        waiting = await begin(writes, [file_of(number) for number in (1, 2, 3)])
        for each in waiting[:2]:
            each.cancel()
        await run_pending()
        node.respond()
        await first
        await run_pending()
        assert [file.digest for file in node.requests[1][0]] == [file_of(3).digest]
        node.respond(1)
        await waiting[2]

    asyncio.run(asyncio.wait_for(run(), 10))
