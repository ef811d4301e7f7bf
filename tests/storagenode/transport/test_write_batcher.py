"""Small writes gather while others are under way, and nobody's failure or haste is another's."""

import asyncio

import pytest

from storagenode.protocol.batch_wire import BATCH_FILES_MAX, WRITE_BYTES_MAX, InMemoryFile
from storagenode.protocol.errors import Gone, Unreachable
from storagenode.protocol.files import Published
from storagenode.transport.write_batcher import WriteBatcher
from tests.storagenode.photo_samples import MTIME, digest_of, variant_of, version_of


def file_of(number, *, size=3000):
    """A small file that is told apart by its number."""
    data = bytes([number % 256]) * size
    return InMemoryFile(variant_of(version_of(number)), data, digest_of(data), MTIME)


def published_of(file):
    """What a node says when it has written it."""
    return Published(file.place.path, file.digest, len(file.data), existed=False)


class Node:
    """Takes requests, and answers one when told to."""

    def __init__(self):
        self.requests = []
        self.gave_up = 0

    async def write(self, files):
        """One request."""
        answer = asyncio.get_running_loop().create_future()
        self.requests.append((files, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            self.gave_up += 1
            raise

    def answer(self, number=0):
        """All of a request's files are written."""
        files, answer = self.requests[number]
        answer.set_result([published_of(file) for file in files])

    def sizes(self):
        """How many files each request has had."""
        return [len(files) for files, _ in self.requests]


async def begin(writes, files):
    """Put files at once; the tasks that wait for them."""
    tasks = [asyncio.create_task(writes.put(file)) for file in files]
    await run_pending()
    return tasks


async def run_pending():
    """Let everything happen that waits for nothing else."""
    for _ in range(8):
        await asyncio.sleep(0)


async def busy(node):
    """Writes of which one is under way, and the task that waits for it."""
    writes = WriteBatcher(node.write)
    return writes, *await begin(writes, [file_of(0)])


def test_a_write_alone_leaves_at_once():
    """Nobody waits for company."""

    async def run():
        node = Node()
        (task,) = await begin(WriteBatcher(node.write), [file_of(1)])
        assert node.sizes() == [1]
        node.answer()
        assert await task == published_of(file_of(1))

    asyncio.run(run())


def test_what_comes_meanwhile_goes_in_one_request_in_the_order_it_came():
    """And each is told of its own file."""

    async def run():
        node = Node()
        writes, first = await busy(node)
        files = [file_of(number) for number in range(10, 15)]
        later = await begin(writes, files)
        assert node.sizes() == [1]
        node.answer()
        assert await first == published_of(file_of(0))
        await run_pending()
        assert node.requests[1][0] == files
        node.answer(1)
        assert await asyncio.gather(*later) == [published_of(file) for file in files]

    asyncio.run(run())


def test_a_request_has_no_more_files_than_the_node_takes():
    """The rest goes with the next one."""

    async def run():
        node = Node()
        writes, _ = await busy(node)
        later = await begin(
            writes, [file_of(number) for number in range(100, 100 + BATCH_FILES_MAX + 3)]
        )
        for number in range(3):
            node.answer(number)
            await run_pending()
        assert node.sizes() == [1, BATCH_FILES_MAX, 3]
        await asyncio.gather(*later)

    asyncio.run(run())


def test_a_request_has_no_more_bytes_than_the_node_takes():
    """Files that are not so small do not become a request that is large."""

    async def run():
        node = Node()
        writes, _ = await busy(node)
        size = WRITE_BYTES_MAX // 4
        await begin(writes, [file_of(number, size=size) for number in range(10, 16)])
        node.answer()
        await run_pending()
        assert node.sizes() == [1, 4]
        writes.close()

    asyncio.run(run())


def test_one_that_is_refused_stops_no_other():
    """Its own writer alone is told."""

    async def run():
        async def refusing_the_first(files):
            return [Gone("it is gone"), *(published_of(file) for file in files[1:])]

        node = Node()
        writes, _ = await busy(node)
        later = await begin(writes, [file_of(7), file_of(8)])
        writes._send = refusing_the_first
        node.answer()
        with pytest.raises(Gone):
            await later[0]
        assert await later[1] == published_of(file_of(8))
        writes.close()

    asyncio.run(run())


@pytest.mark.parametrize("error", [Unreachable("it hung up"), KeyError("a bug")])
def test_what_is_wrong_with_a_request_is_told_to_all_whose_files_it_has(error):
    """Whatever it is: nobody waits for ever."""

    async def run():
        node = Node()
        writes, first = await busy(node)
        node.requests[0][1].set_exception(error)
        with pytest.raises(type(error)):
            await first
        (later,) = await begin(writes, [file_of(9)])
        node.answer(-1)
        assert await later == published_of(file_of(9))
        writes.close()

    asyncio.run(run())


def test_who_no_longer_waits_takes_nothing_from_who_does():
    """A request is given up when nobody waits for any of it."""

    async def run():
        node = Node()
        writes, _ = await busy(node)
        later = await begin(writes, [file_of(7), file_of(8)])
        node.answer()
        await run_pending()
        later[0].cancel()
        await run_pending()
        assert node.gave_up == 0
        later[1].cancel()
        await run_pending()
        assert node.gave_up == 1
        writes.close()

    asyncio.run(run())


def test_a_file_that_nobody_waits_for_any_more_is_not_sent():
    """It was cancelled before its turn came."""

    async def run():
        node = Node()
        writes, _ = await busy(node)
        later = await begin(writes, [file_of(7), file_of(8)])
        later[0].cancel()
        node.answer()
        await run_pending()
        assert node.requests[-1][0] == [file_of(8)]
        writes.close()

    asyncio.run(run())


def test_closing_leaves_nothing_going_on():
    """Also not what is under way at a node that is frozen."""

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
