"""Processor time against the work: each figure at 1x and at 10x, with its exponent.

An exponent of 1 grows with the work, and one of 0 does not. Roots are built as a store would have
written them. `--files` is the work at 1x.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.scale_cost import Cost
from bench.scale_roots import PROOFS, SIZES, build_root
from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import StillListing
from volumes.photo_path import VolumeId
from volumes.photo_shapes import ShapeRule

TIMES = 10
RULE = ShapeRule(sizes=SIZES.replace("o", ""), avif_sizes="", full_size="", has_webp=False)
VOLUMES = 8
EMPTY_VOLUMES = 32


def main() -> None:
    """Measure and print all figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="files of a node at 1x")
    files = parser.parse_args().files
    with tempfile.TemporaryDirectory(prefix="glassplate-scale-") as folder:
        for cost in _costs_of_files(Path(folder), files):
            print(cost)
        for cost in _costs_of_volumes(Path(folder)):
            print(cost)


def _costs_of_files(folder: Path, files: int) -> list[Cost]:
    work = (files, TIMES * files)
    stores = [build_root(folder / str(count), VOLUMES, count) for count in work]
    steps: tuple[tuple[str, Callable[[DiskStore], object]], ...] = (
        ("shards compared, nothing known", _compare),
        ("summaries saved", lambda store: store.save_summaries()),
        ("shards compared again", _compare),
        ("volumes compared by one digest each", _summarize),
        ("unchanged volumes compared, 1,000 times", _summarize_again),
        ("shards compared after a restart", lambda store: _compare(_restarted(store))),
        ("unfinished photos found after a restart", lambda store: _sweep(_restarted(store))),
        ("tombstones compared after a restart", _compare_tombstones),
    )
    return [
        Cost(what, "files", work, (_seconds(step, stores[0]), _seconds(step, stores[1])))
        for what, step in steps
    ]


def _costs_of_volumes(folder: Path) -> list[Cost]:
    work = (EMPTY_VOLUMES, TIMES * EMPTY_VOLUMES)
    stores = []
    created = []
    for count in work:
        started = time.process_time()
        stores.append(build_root(folder / f"empty-{count}", count, 0))
        created.append(time.process_time() - started)
    for store in stores:
        _compare(store)
    compared = (_seconds(_compare, stores[0]), _seconds(_compare, stores[1]))
    return [
        Cost("volumes created", "volumes", work, (created[0], created[1])),
        Cost("empty volumes compared", "volumes", work, compared),
    ]


def _seconds(step: Callable[[DiskStore], object], store: DiskStore) -> float:
    started = time.process_time()
    step(store)
    return time.process_time() - started


def _restarted(store: DiskStore) -> DiskStore:
    return DiskStore(store.file_system, PROOFS)


def _compare(store: DiskStore) -> None:
    for volume in store.volumes:
        _until_listed(store.shard_digests, volume)


def _summarize(store: DiskStore) -> None:
    for volume in store.volumes:
        _until_listed(store.volume_summary, volume)


def _summarize_again(store: DiskStore) -> None:
    for _ in range(1_000):
        _summarize(store)


def _sweep(store: DiskStore) -> None:
    for volume in store.volumes:
        _until_listed(partial(store.unfinished, rule=RULE), volume)


def _compare_tombstones(store: DiskStore) -> None:
    again = _restarted(store)
    for volume in again.volumes:
        _until_listed(again.tombstone_digests, volume)


def _until_listed(call: Callable[[VolumeId], object], volume: VolumeId) -> None:
    """Repeat a call, as a storagemaster does, until the node has listed all shards."""
    while True:
        try:
            call(volume)
        except StillListing:
            continue
        return


if __name__ == "__main__":
    main()
