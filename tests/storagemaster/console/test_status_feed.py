"""The status feed of the console makes only the documents that are needed."""

import json

import pytest

from storagemaster.console.samples import SAMPLE_SECONDS, Samples
from storagemaster.console.stream import StatusFeed

DOCUMENT = {
    "queues": {},
    "pending_hints": 0,
    "oldest_job_seconds": None,
    "workers_alive": 1,
    "nodes": [],
    "edges": [],
    "repair": {"bytes_left": 0},
    "upload_p99_seconds": None,
}


class Status:
    """A status that records whether its volumes were needed."""

    def __init__(self):
        self.asked = []

    async def document(self, *, has_volumes):
        """Return a document."""
        self.asked.append(has_volumes)
        return {**DOCUMENT, "volumes": [1] if has_volumes else []}


@pytest.fixture(name="status")
def _status():
    return Status()


async def test_samples_need_no_volumes(status):
    """Without a watcher, 50,000 volumes cost nothing, and no old document is left for the next."""
    now = [1000.0]
    feed = StatusFeed(status, Samples(master="m"), now_seconds=lambda: now[0])
    await feed.refresh()
    await feed.refresh()
    assert status.asked == [False]
    woken = []
    with feed.watching(lambda: woken.append(True)):
        await feed.refresh()
        assert json.loads(feed.text)["volumes"] == [1]
    assert (status.asked, woken, feed.number) == ([False, True], [True], 1)
    now[0] += SAMPLE_SECONDS
    await feed.refresh()
    assert status.asked == [False, True, False]
    assert (feed.text, feed.number) == ("", 1)
