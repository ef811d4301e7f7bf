"""An operator empties the hidden folders of all nodes while photos come and go."""

import contextlib
import random
import shutil
import threading
from pathlib import Path

from storagenode.protocol.layout import HINTS, QUARANTINE, STAGING, TRASH
from storagenode.protocol.partials import PARTIALS
from tests.journey.running_cluster import EDGES, fetch, read_from, wait_until

FOLDERS = (STAGING, HINTS, TRASH, QUARANTINE, PARTIALS)
PHOTOS = 9
REMOVALS_MIN = 20
SEED = 16


@contextlib.contextmanager
def emptying(roots):
    """Remove the hidden folders of running nodes in random order until the block exits."""
    stop, removals, order = threading.Event(), [], random.Random(SEED)

    def remove():
        while not stop.wait(0.005):
            folder = order.choice(roots) / order.choice(FOLDERS)
            shutil.rmtree(folder, ignore_errors=True)
            removals.append(folder)

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        yield removals
    finally:
        stop.set()
        thread.join()


def test_photos_are_stored_sized_and_deleted_while_hidden_folders_are_emptied(cluster, jpeg):
    """No request fails, every photo gets its sizes, and every delete holds on every node.

    A busy node can get its copy as a hint, which is lost. Then reconcile copies the file.
    """
    roots = [Path(node.store) for node in cluster.config.nodes.values()]
    photos, deleted = {}, []
    with emptying(roots) as removals, cluster.client() as client:
        for number in range(PHOTOS):
            data = jpeg(700 + number)
            receipt = client.put(data)
            photos[receipt.reference] = data
            if number % 3 == 2:
                deleted.append(receipt)
                del photos[receipt.reference]
                client.delete(receipt.reference)
        states = {each: client.wait_until_ready(each, timeout_seconds=60) for each in photos}
    assert len(removals) >= REMOVALS_MIN
    assert {status.state for status in states.values()} == {"ready"}
    for reference, status in states.items():
        answers = [fetch(cluster, edge, status.urls["o"]) for edge in EDGES]
        assert [(code, body) for code, _, body in answers] == [(200, photos[reference])] * 3
    urls = [receipt.urls["o"] for receipt in deleted]
    wait_until(
        "deletes on every node",
        lambda: (
            200
            not in {read_from(cluster, node, url) for node in cluster.config.nodes for url in urls}
        ),
    )
    wait_until("equal mirrors", lambda: all(is_mirrored(cluster, each) for each in photos))


def is_mirrored(cluster, reference):
    """Return True if two nodes have the same files of the photo."""
    files = [frozenset(of_node.items()) for of_node in cluster.files_of(reference).values()]
    return len(files) == 2 and files[0] == files[1]
