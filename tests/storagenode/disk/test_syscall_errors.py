"""Every call of every operation fails once with every error of a disk."""

import errno
import hashlib
import itertools
import os
import sys

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import DiskSuspect, NodeError, OutOfSpace
from storagenode.protocol.layout import Place
from tests.storagenode.disk.failing_file_system import FSYNCS, TORN, FileSystemThatFails
from tests.storagenode.disk.sweep_operations import DAMAGED, UNVERIFIED, WORKS
from tests.storagenode.photo_samples import VOLUME, bytes_of, variant_of, version_of
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, proof_of
from volumes.photo_path import parse_name

CELLS_MIN = 500
ERRORS = {
    errno.EIO: DiskSuspect,
    errno.EROFS: DiskSuspect,
    errno.ENOSPC: OutOfSpace,
    errno.EDQUOT: OutOfSpace,
    errno.EMFILE: NodeError,
    TORN: OutOfSpace,
}
# A removal can fail, and the next start of the node repeats it.
MAY_FAIL_UNNOTICED = {"unlink", "close"}
BEFORE = variant_of(version_of(1023))


class Sweep:
    """One operation, failed at each of its calls in turn."""

    def __init__(self, root, work):
        self.root, self.work = root, work
        self.cells = 0
        self._numbers = itertools.count()

    def sweep(self):
        """Fail every call with every error; return the number of calls."""
        disk = FileSystemThatFails(self.root)
        put(DiskStore(disk, PROOFS), BEFORE, bytes_of("before"))
        disk.close_root()
        for error in ERRORS:
            for at in itertools.count():
                if not self._cell(error, at):
                    break
        return self.cells

    def _cell(self, error, at):
        """Fail one call; return False if the operation has no such call."""
        photo_version = version_of(next(self._numbers))
        disk = FileSystemThatFails(self.root)
        try:
            return self._fail_at(at, error, disk, photo_version)
        finally:
            disk.close_root()

    def _fail_at(self, at, error, disk, photo_version):
        store = DiskStore(disk, PROOFS, may_sync_disk=self.work.may_sync_disk)
        self.work.prepare(store, photo_version)
        disk.fail(error, at=at)
        outcome = None
        try:
            self.work.run(store, photo_version)
        except NodeError as raised:
            outcome = raised
        calls, failed = disk.calls, disk.failed
        disk.recover()
        if failed:
            self.cells += 1
            where = f"{self.work.name}: {failed} (call {at}) with {error}"
            self._examine_outcome(where, store, photo_version, outcome, error, calls[at:])
            self._examine_disk(where, store, photo_version)
        return at < len(calls)

    def _examine_outcome(self, where, store, photo_version, outcome, error, calls_since):
        failed = calls_since[0]
        if outcome is None:
            may_fail = MAY_FAIL_UNNOTICED | set(self.work.may_fail)
            assert failed in may_fail or self.work.finish, where
            if self.work.finish and not store.health.suspect_reason:
                self.work.finish(store, photo_version)
            elif self.work.finish:
                return
            assert self.work.is_done(store, photo_version), where
            return
        wanted = DiskSuspect if failed in FSYNCS else ERRORS[error]
        assert type(outcome) is wanted, f"{where}: {outcome!r}"
        assert bool(store.health.suspect_reason) is (wanted is DiskSuspect), where
        if wanted is DiskSuspect:
            assert not set(calls_since[1:]) & set(FSYNCS), f"{where}: an fsync after it"
            with pytest.raises(DiskSuspect):
                put(store, variant_of(photo_version, "z"), b"z")

    def _examine_disk(self, where, store, photo_version):
        with opened(store.file_system, BEFORE.path) as file:
            assert file.read() == bytes_of("before"), where
        self._nothing_partial(where, photo_version)
        restarted = DiskStore(store.file_system, PROOFS)
        assert restarted.file_system.list(".staging") == [], where
        self.work.run(restarted, photo_version)
        assert self.work.is_done(restarted, photo_version), (
            f"{where}: and doing it again did not help"
        )
        self._nothing_partial(where, photo_version)

    def _nothing_partial(self, where, photo_version):
        """Check that every file with the photo's name is complete."""
        shard = self.root / str(VOLUME) / photo_version.shard
        hints = self.root / ".hints" / "west-1" / str(VOLUME) / photo_version.shard
        for path in (
            *shard.glob(f"{photo_version.photo}*"),
            *hints.glob(f"{photo_version.photo}*"),
        ):
            data = path.read_bytes()
            if data not in {DAMAGED, UNVERIFIED}:
                recorded = os.getxattr(path, DIGEST_XATTR).decode()
                wanted = hashlib.sha256(data).hexdigest()
                if path.suffix == ".gone":
                    wanted = proof_of(Place(parse_name(VOLUME, path.name)))
                assert recorded == wanted, f"{where}: {path}"


@pytest.fixture(name="cells", scope="module")
def _cells():
    """Return the number of failed calls of each operation."""
    return {}


@pytest.fixture(name="sweep")
def _sweep(roots, cells):
    def sweep(work):
        if work.name not in cells:
            cells[work.name] = Sweep(roots.take(), work).sweep()
            sys.stdout.write(f"{work.name}: {cells[work.name]} cells\n")
        return cells[work.name]

    return sweep


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_every_call_may_fail(sweep, work):
    """The error names its cause, no partial file is visible, and a retry succeeds."""
    assert sweep(work) >= 10


def test_enough_calls_fail(sweep):
    """A sweep without faults would prove nothing."""
    cells = sum(sweep(work) for work in WORKS)
    sys.stdout.write(f"{cells} cells\n")
    assert cells >= CELLS_MIN
