"""The `.node` marker, which makes a directory the root of one node and excludes all others."""

import contextlib
import errno
import fcntl
import json
import os
import stat
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from storagenode.disk.filesystem import DIGEST_XATTR, DIRECTORY_MODE, FINAL_MODE
from storagenode.protocol.layout import HINTS, NODE_MARKER, QUARANTINE, STAGING, TRASH
from storagenode.store import RootRefused
from volumes.cluster import Node

FORMAT_VERSION = 1

ROOT_MODE = 0o700
"""Mode of a new root. An operator can let a group read and enter it."""

_FOLDERS = (STAGING, HINTS, TRASH, QUARANTINE)
_FRESH = f"{NODE_MARKER}.new"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMarker:
    """The node that a root belongs to."""

    uuid: str
    id: str
    colo: str
    format: int = FORMAT_VERSION


def mark_root(root: Path, node: Node) -> NodeMarker:
    """Make an empty directory the root of a node. A marked root stays unchanged.

    A root that an interrupted call left counts as empty.

    Raises:
        RootRefused: The directory is another node's root, or has other files.
    """
    _make_durably(root)
    if (root / NODE_MARKER).exists():
        return read_marker(root, node)
    if not all(_belongs_to_empty_root(entry) for entry in root.iterdir()):
        raise RootRefused(
            f"{root} has files but no {NODE_MARKER} marker; "
            "use an empty directory, or restore a lost marker from a backup"
        )
    root.chmod(ROOT_MODE)
    marker = new_marker(node)
    for name in _FOLDERS:
        (root / name).mkdir(DIRECTORY_MODE, exist_ok=True)
    _write_durably(root / NODE_MARKER, render_marker(marker))
    return marker


def read_marker(root: Path, node: Node) -> NodeMarker:
    """Return the root's marker after checking that it is this node's.

    Raises:
        RootRefused: The marker is missing, unreadable, or another node's.
    """
    path = root / NODE_MARKER
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise RootRefused(
            f"{path} is missing. If the disk of {node.id} is not mounted, mount it. If the disk is "
            f"new and empty, mark it: glassplate node init {node.id}"
        ) from None
    except (ValueError, OSError) as error:
        raise RootRefused(f"cannot read the marker {path}: {error}") from error
    return parse_marker(text, node, where=str(path))


def new_marker(node: Node) -> NodeMarker:
    """Return the marker for the new root of a node."""
    return NodeMarker(uuid=node.uuid or str(uuid.uuid4()), id=node.id, colo=node.colo)


def render_marker(marker: NodeMarker) -> str:
    """Return the text of a marker."""
    return json.dumps(asdict(marker), indent=1) + "\n"


def parse_marker(text: str, node: Node, *, where: str) -> NodeMarker:
    """Parse what `render_marker` returns, and check that it is this node's.

    Raises:
        RootRefused: The marker is invalid, or another node's.
    """
    try:
        marker = NodeMarker(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise RootRefused(f"cannot read the marker {where}: {error}") from error
    wrong = [
        f"{name} is {found!r}, must be {wanted!r}"
        for name, found, wanted in (
            ("id", marker.id, node.id),
            ("colo", marker.colo, node.colo),
            ("uuid", marker.uuid, node.uuid or marker.uuid),
            ("format", marker.format, FORMAT_VERSION),
        )
        if found != wanted
    ]
    if wrong:
        raise RootRefused(f"{where} is not the marker of {node.id}: {'; '.join(wrong)}")
    return marker


def close_to_others(root: Path) -> None:
    """Take the rights to a root away from all users but its owner, and from its group writes.

    Raises:
        RootRefused: Other users have rights, and this process cannot change it.
    """
    mode = stat.S_IMODE(root.stat().st_mode)
    wanted = mode & ~(stat.S_IRWXO | stat.S_IWGRP)
    if mode == wanted:
        return
    try:
        root.chmod(wanted)
    except OSError as error:
        raise RootRefused(
            f"other users can read the photos: {root} has mode {mode:04o}, and changing it failed: "
            f"{error.strerror}; run chmod {wanted:o} {root} as its owner"
        ) from error


def prove_root(root: Path) -> None:
    """Check that the file system meets the needs of a node.

    Raises:
        RootRefused: It has no user xattrs, or a hidden directory is on another file system.
    """
    for name in _FOLDERS:
        # An operator can have removed it. Where it cannot be created, the probe fails below.
        if not (root / name).exists():
            with contextlib.suppress(OSError):
                (root / name).mkdir(DIRECTORY_MODE)
    probe = root / STAGING / f"probe-{os.getpid():x}"
    try:
        probe.write_bytes(b"")
        os.setxattr(probe, DIGEST_XATTR, b"0")
    except OSError as error:
        if error.errno not in {errno.ENOTSUP, errno.EPERM}:
            raise RootRefused(f"cannot write to {root}: {error}") from error
        raise RootRefused(
            f"{root} is on a file system without user xattrs, which store the digests of photos; "
            "use ext4, xfs, or btrfs"
        ) from error
    finally:
        probe.unlink(missing_ok=True)
    for name in _FOLDERS:
        if (root / name).stat().st_dev != root.stat().st_dev:
            raise RootRefused(f"{root / name} is on another file system than {root}")


@contextlib.contextmanager
def root_lock(root: Path) -> Iterator[None]:
    """Hold the lock of a marked root, so that no other process uses it.

    Raises:
        RootRefused: Another process holds the lock.
    """
    marker = os.open(root / NODE_MARKER, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RootRefused(f"{root} is in use by another process") from None
        yield
    finally:
        os.close(marker)


def _belongs_to_empty_root(entry: Path) -> bool:
    if entry.name in _FOLDERS:
        return not any(entry.iterdir())
    return entry.name in {"lost+found", _FRESH}


def _make_durably(directory: Path) -> None:
    if not directory.exists():
        _make_durably(directory.parent)
        directory.mkdir(exist_ok=True)
        _fsync_directory(directory.parent)


def _write_durably(path: Path, text: str) -> None:
    fresh = path.with_name(_FRESH)
    with fresh.open("w") as file:
        os.fchmod(file.fileno(), FINAL_MODE)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    _fsync_directory(path.parent)


def _fsync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
