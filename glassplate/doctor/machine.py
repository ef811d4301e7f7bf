"""Checks of this machine: key and token files, and the disks of the nodes that run here."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from glassplate.doctor.finding import Finding, fail, ok, unknown, warn
from permission_urls import KeyRingError, Keys, load_keys
from permission_urls.expiry import NO_EXPIRY
from permission_urls.files.token_file import load_tokens
from volumes.cluster import Cluster, Node

KEY_DAYS_MAX = 400
FSYNCS = 10
FSYNC_SECONDS_MAX = 0.1
FREE_INODES_MIN = 0.05
_STAGING = ".staging"
_MARKER = ".node"


def load_checked_keys(cluster: Cluster) -> tuple[Keys | None, Finding]:
    """Return the keys if the file is sound and private, and the finding about it."""
    path, what = Path(cluster.keys_file), "the key file is sound, and only its owner can read it"
    try:
        return load_keys(path), ok("keys", what)
    except KeyRingError as error:
        do = f"copy the cluster's key file to {path}, with mode 600"
        return None, fail("keys", what, str(error), do)


def check_key_ages(keys: Keys, today: date) -> Finding:
    """Return the finding about keys that have signed for long."""
    what = f"no key has signed for more than {KEY_DAYS_MAX} days"
    signing = {
        purpose: ring.signing_key for purpose, ring in keys.rings.items() if purpose.is_rotated
    }
    old = [
        f"{key.key_id} of {purpose}, made {key.made}"
        for purpose, key in signing.items()
        if key.made is not None and (today - key.made).days > KEY_DAYS_MAX
    ]
    if old:
        do = "rotate them: glassplate keys add --purpose PURPOSE; see KeyOld in docs/runbook.md"
        return warn("key-age", what, "; ".join(old), do)
    undated = [purpose for purpose, key in signing.items() if key.made is None]
    if undated:
        do = "add `made = YYYY-MM-DD` to them in the key file, or rotate them"
        return unknown("key-age", what, f"no day is recorded of: {', '.join(undated)}", do)
    return ok("key-age", what)


def check_tokens(cluster: Cluster) -> Iterator[Finding]:
    """Yield the tokens that never expire."""
    what = "every token expires"
    try:
        records = load_tokens(Path(cluster.tokens_file)).values()
    except (KeyRingError, OSError, ValueError) as error:
        yield fail("tokens", what, str(error), "restore the token file")
        return
    eternal = [r.id for r in records if r.expiry == NO_EXPIRY and not r.revoked and r.scopes]
    if eternal:
        found = f"these never do: {', '.join(sorted(eternal))}"
        do = "replace each, then run glassplate token revoke ID"
        yield warn("tokens", what, found, do)
    else:
        yield ok("tokens", what)


def check_disks(cluster: Cluster) -> Iterator[Finding]:
    """Yield the findings about the disks of all nodes whose store is on this machine."""
    for node in cluster.nodes.values():
        if node.bucket is not None:
            continue
        root = Path(node.store)
        if not root.is_dir():
            what = f"the disk of {node.id} is fit for its node"
            do = "run glassplate doctor on the node's machine"
            yield unknown(f"disk/{node.id}", what, f"{root} is not on this machine", do)
        else:
            yield from _check_disk(node, root)


def _check_disk(node: Node, root: Path) -> Iterator[Finding]:
    what = f"{root} has the marker of {node.id}"
    marker = root / _MARKER
    if not marker.exists():
        do = "mount the disk; for a new one, run glassplate node init"
        yield fail(f"marker/{node.id}", what, "the marker is missing", do)
        return
    if f'"{node.id}"' not in marker.read_text(errors="replace"):
        do = "mount the right disk there"
        yield fail(f"marker/{node.id}", what, "it is the marker of another node", do)
    else:
        yield ok(f"marker/{node.id}", what)
    space = os.statvfs(root)
    what = f"the disk of {node.id} can be written"
    if space.f_flag & os.ST_RDONLY:
        do = "find the cause in dmesg, then remount it read-write"
        yield fail(f"mount/{node.id}", what, "it is mounted read-only", do)
        return
    yield ok(f"mount/{node.id}", what)
    what = f"the disk of {node.id} has free inodes"
    if space.f_files and space.f_favail < FREE_INODES_MIN * space.f_files:
        found = f"{space.f_favail} of {space.f_files} are free"
        yield warn(f"inodes/{node.id}", what, found, "move volumes, or make a larger file system")
    else:
        yield ok(f"inodes/{node.id}", what)
    yield from _check_writes(node, root)


def _check_writes(node: Node, root: Path) -> Iterator[Finding]:
    what_xattr = f"the disk of {node.id} stores extended attributes"
    what_fsync = (
        f"an fsync on the disk of {node.id} takes at most {FSYNC_SECONDS_MAX * 1000:.0f} ms"
    )
    try:
        with tempfile.NamedTemporaryFile(dir=root / _STAGING, prefix="doctor-") as file:
            with contextlib.suppress(OSError):
                os.setxattr(file.fileno(), "user.glassplate", b"1")
                yield ok(f"xattr/{node.id}", what_xattr)
            if not os.listxattr(file.fileno()):
                do = "use ext4, XFS, or Btrfs, mounted with extended attributes"
                yield fail(f"xattr/{node.id}", what_xattr, "it does not", do)
            slowest = max(_fsync_seconds(file.fileno()) for _ in range(FSYNCS))
    except OSError as error:
        do = "run glassplate doctor as the user of the node"
        yield unknown(f"fsync/{node.id}/here", what_fsync, str(error), do)
        return
    found = f"the slowest of {FSYNCS} took {slowest * 1000:.1f} ms"
    if slowest <= FSYNC_SECONDS_MAX:
        yield ok(f"fsync/{node.id}/here", what_fsync, found)
    else:
        do = "see FsyncSlow in docs/runbook.md"
        yield warn(f"fsync/{node.id}/here", what_fsync, found, do)


def _fsync_seconds(descriptor: int) -> float:
    os.write(descriptor, b"x" * 4096)
    started = time.perf_counter()
    os.fsync(descriptor)
    return time.perf_counter() - started
