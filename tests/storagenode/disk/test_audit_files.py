"""The audit log of a disk: lines are appended, durable, and never removed before their time."""

import shutil
import sys

import pytest

from storagenode.disk.audit_files import AuditFiles
from storagenode.protocol.audit_log import AUDIT, AuditFile, parse_audit_file
from storagenode.protocol.errors import BadRequest, DiskSuspect
from tests.storagenode.disk.crash_exploration import explore
from tests.storagenode.disk.crash_scenarios import Scenario

FILE = AuditFile("2026-01-30", "acts")
UPLOADS = AuditFile("2026-01-30", "uploads")
LINES = [b'{"number":%d}\n' % number for number in range(1, 4)]
DAY_SECONDS = 24 * 3600


@pytest.fixture
def files(store):
    """Return the audit log of a store."""
    return AuditFiles(store)


def content(files, file=FILE):
    """Return all bytes of a file."""
    return files.read(file, offset=0, bytes_max=1 << 20)


def test_lines_are_appended_in_order(files):
    """Each append adds its lines at the end, and offsets continue a read."""
    files.append(FILE, LINES[0])
    files.append(FILE, LINES[1] + LINES[2])
    assert content(files) == b"".join(LINES)
    assert files.read(FILE, offset=len(LINES[0]), bytes_max=len(LINES[1])) == LINES[1]
    assert files.read(FILE, offset=1000, bytes_max=10) == b""


def test_kinds_and_days_have_files_of_their_own(files):
    """Uploads do not mix with acts."""
    files.append(FILE, LINES[0])
    files.append(UPLOADS, LINES[1])
    assert files.files() == [FILE, UPLOADS]
    assert content(files, UPLOADS) == LINES[1]
    assert content(files, AuditFile("2026-01-31", "acts")) == b""


def test_an_incomplete_line_is_refused(files):
    """Nothing that would join with the next line is stored."""
    with pytest.raises(BadRequest):
        files.append(FILE, b'{"number":1}')
    assert files.files() == []


def test_a_line_that_a_crash_cut_off_ends_before_the_next(files, root):
    """The remains stay, and the new line is whole."""
    files.append(FILE, LINES[0])
    with (root / FILE.path).open("ab") as file:
        file.write(b'{"num')
    files.append(FILE, LINES[1])
    assert content(files) == LINES[0] + b'{"num\n' + LINES[1]


def test_a_removed_folder_is_created_again(files, root):
    """An append after the removal of the folder by an operator succeeds."""
    files.append(FILE, LINES[0])
    shutil.rmtree(root / AUDIT)
    assert content(files) == b""
    files.append(FILE, LINES[1])
    assert content(files) == LINES[1]


def test_old_days_are_removed(files):
    """A file is removed once its day is older than the retention, and not before."""
    files.append(FILE, LINES[0])
    files.append(UPLOADS, LINES[0])
    end_of_day = 1_769_817_600  # 2026-01-31
    kept = files.remove_older(now_seconds=end_of_day + 9 * DAY_SECONDS, retention_days=10)
    assert (kept, files.files()) == (0, [FILE, UPLOADS])
    removed = files.remove_older(now_seconds=end_of_day + 10 * DAY_SECONDS, retention_days=10)
    assert (removed, files.files()) == (2, [])


@pytest.mark.parametrize("name", ["2026-01-30", "2026-01-30.other", "../x.acts", ".node", ""])
def test_other_names_are_refused(name):
    """No request reaches another file."""
    with pytest.raises(BadRequest):
        parse_audit_file(name)


def test_a_failed_fsync_makes_the_disk_suspect(files, store, monkeypatch):
    """Lines whose fsync failed do not count as stored, and the disk takes no more writes."""
    from storagenode.disk.filesystem import FsyncFailed

    def fail(_):
        raise FsyncFailed(5, "I/O error")

    monkeypatch.setattr(store.file_system, "fsync", fail)
    with pytest.raises(DiskSuspect):
        files.append(FILE, LINES[0])
    with pytest.raises(DiskSuspect):
        files.append(FILE, LINES[1])


def appending(store, disk):
    """Append three times, and acknowledge each."""
    files = AuditFiles(store)
    for number, line in enumerate(LINES):
        files.append(FILE, line)
        disk.acknowledge(f"line {number}")


def has_line(line):
    """Check that a line survived, whole and as a line of its own."""

    def check(survivor):
        kept = survivor.contents.get(FILE.path)
        lines = kept.data.splitlines(keepends=True) if kept else []
        if line not in lines:
            yield f"{line!r} was acknowledged, and the file has {lines}"

    return check


def test_acknowledged_lines_survive_a_power_failure():
    """Every disk that a power failure can leave has all acknowledged lines."""
    exploration = explore(
        Scenario(
            name="append to the audit log",
            operate=appending,
            files=[],
            promises={f"line {number}": has_line(line) for number, line in enumerate(LINES)},
        )
    )
    sys.stdout.write(f"{exploration.states} states, {exploration.checks} checks\n")
    assert exploration.violations == []
    assert exploration.states >= 8
