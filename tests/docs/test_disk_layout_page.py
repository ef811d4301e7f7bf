"""docs/formats/disk-layout.md: a root that a real store has written is as the page draws it."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from storagenode.disk.audit_files import AuditFiles
from storagenode.disk.filesystem import DIGEST_XATTR, DiskFileSystem
from storagenode.disk.map_files import MapFiles
from storagenode.disk.marker import NodeMarker, mark_root, render_marker
from storagenode.disk.store import DiskStore
from storagenode.partials.partials import Partials
from storagenode.protocol.audit_log import AUDIT, parse_audit_file
from storagenode.protocol.errors import Gone
from storagenode.protocol.files import Published
from storagenode.protocol.layout import HINTS, SCRUB, TRASH, Place
from storagenode.protocol.maps import MAPS, parse_map_name
from storagenode.protocol.partials import PARTIALS, parse_partial
from storagenode.upkeep.recent_photos import RecentPhotos
from storagenode.upkeep.space_history import SpaceHistory
from tests.docs.pages import blocks, codes, read_page, section, table
from tests.storagenode.photo_samples import digest_of
from tests.storagenode.tombstones import PROOFS, proof_of
from volumes.address import Address
from volumes.cluster import Limits, Node, NodeId
from volumes.cold_tier import ColdTier, render_cold_tier
from volumes.photo_path import (
    EXTENSIONS,
    SHARDS,
    Attempt,
    Failure,
    Info,
    PhotoFile,
    PhotoTombstone,
    Variant,
    VersionTombstone,
    VolumeId,
    parse_path,
    render_path,
)

PAGE = read_page("docs/formats/disk-layout.md")
NOW = 1_700_000_000
UPLOADED = 1_690_000_000
VOLUME = VolumeId(42)
SECRET_UUID = "6f2c0a1e-9b7d-4c68-8f55-2f1f0c9a1e7b"
NODE = Node(
    id=NodeId("east-1"),
    colo="east",
    read=Address("127.0.0.1", 1),
    write=Address("127.0.0.1", 2),
    store="unused",
    uuid=SECRET_UUID,
)
MARKERS = {
    ".volume",
    ".cold-tier",
    ".summaries",
    ".scrub",
    ".space",
    "00000043.vote.toml",
    "00000043.in-force.toml",
}
COLD_TIER = ColdTier(sizes="hko", cold_nodes=(NodeId("cold-1"),))


@dataclass(frozen=True)
class BuiltRoot:
    """A root with a file of each kind, and a staged file that is not sealed."""

    path: Path
    store: DiskStore
    staged: str

    def files(self) -> set[str]:
        """Return the paths of all files, the staged one by the name in the page."""
        found = {str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_file()}
        return {".staging/1a2b-0" if each == self.staged else each for each in found}

    def directories(self) -> set[str]:
        """Return the paths of all directories."""
        return {str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_dir()}


def drawn_tree() -> set[str]:
    """Return the paths in the page's tree; a directory ends in a slash."""
    (drawing,) = blocks(PAGE, "tree")
    found, parents = set(), []
    for line in drawing.splitlines()[1:]:
        branch = re.match(r"([│ ]   )*[├└]── ", line)
        assert branch, f"not a line of a tree: {line!r}"
        name = line[branch.end() :].split()[0]
        parents[len(branch[0]) // 4 - 1 :] = [name]
        found.add("".join(parents))
    return found


def drawn_files() -> set[str]:
    """Return the paths of the files in the page's tree."""
    return {each for each in drawn_tree() if not each.endswith("/")}


def put(store: DiskStore, place: Place, data: bytes = b"bytes of a photo") -> None:
    """Publish a file with the second of its upload."""
    with store.staging(bytes_expected=len(data)) as file:
        file.write(data)
        store.publish(file, place, mtime_seconds=UPLOADED, digest=digest_of(data))


def put_partial(store: DiskStore) -> None:
    """Append the drawn segments to the drawn partial upload."""
    partials = Partials(store, now_seconds=lambda: NOW)
    segments = sorted(each for each in drawn_files() if each.startswith(PARTIALS))
    partial = parse_partial(segments[0].split("/")[1])
    partials.create(partial)
    for path in segments:
        offset = int(path.rpartition("/")[2].partition(".")[0])
        with partials.staging(partial, offset=offset, bytes_expected=16) as file:
            file.write(b"bytes of a photo")
            partials.append(
                file, partial, offset=offset, mtime_seconds=UPLOADED, digest=file.digest
            )


def place_of(path: str, *, hint_for: str | None = None) -> Place:
    """Return where the file of a photo path belongs."""
    return Place(parse_path(path), NodeId(hint_for) if hint_for else None)


@pytest.fixture(name="root", scope="module")
def _root(tmp_path_factory):
    """Return the root in the page, written by a store whose clock is at NOW."""
    path = tmp_path_factory.mktemp("disk1")
    mark_root(path, NODE)
    file_system = DiskFileSystem(path)
    store = DiskStore(file_system, PROOFS, now_seconds=lambda: NOW)
    store.create_volumes([VOLUME])
    store.set_cold_tier(VOLUME, COLD_TIER)
    tombstones = [each for each in drawn_files() if each.endswith(".gone")]
    for each in drawn_files() - set(tombstones):
        area, _, below = each.partition("/")
        second, _, photo_path = below.partition("/")
        if re.match("42/k7/.", each):
            put(store, place_of(each))
        if area == HINTS:
            put(store, place_of(photo_path, hint_for=second))
        if area == TRASH:
            put(store, place_of(photo_path))
    put_partial(store)
    for each in drawn_files():
        if each.startswith(MAPS):
            kind, version = parse_map_name(each.rpartition("/")[2])
            MapFiles(store, now_seconds=lambda: NOW).keep(kind, version, b"version = 43\n")
        if each.startswith(AUDIT):
            name = each.rpartition("/")[2].removesuffix(".jsonl")
            AuditFiles(store).append(parse_audit_file(name), b"{}\n")
    corrupt = place_of("42/k7/01jd3x8m2c9qp4k7_3fz8qd_b.jpg")
    put(store, corrupt)
    store.quarantine(corrupt)
    recent = RecentPhotos(path, now_seconds=lambda: UPLOADED)
    original = "42/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg"
    recent.record([Published(original, "", 1, UPLOADED, existed=False)])
    for each in tombstones:
        store.write_tombstone(
            place_of(each),
            mtime_seconds=UPLOADED,
            proof=proof_of(place_of(each)),
        )
    store.shard_digests(VOLUME)
    store.save_summaries()
    store.save_state(SCRUB, b"{}")
    SpaceHistory(store, now_seconds=lambda: NOW).record()
    with store.staging(bytes_expected=0) as staged:
        yield BuiltRoot(path, store, staged.path)
    file_system.close_root()


def test_the_tree_is_the_one_on_the_disk(root):
    """Every file is drawn, and every directory but most of the shards."""
    drawn = drawn_tree()
    assert root.files() == drawn_files()
    directories = {each.rstrip("/") for each in drawn if each.endswith("/")}
    assert directories <= root.directories()
    assert root.directories() - directories <= {f"{VOLUME}/{shard}" for shard in SHARDS}
    assert f"up to {len(SHARDS):,} directories" in PAGE


def test_the_line_of_a_recent_photo(root):
    """The page's line is what a node writes for the photo of the tree."""
    [line] = blocks(section(PAGE, "## Recent photos"), "text")
    assert (root.path / ".recent/a").read_text() == line


def test_the_names_of_the_staged_file(root):
    """A staged file has the process id in hex, and a sequence number."""
    assert re.fullmatch(rf"\.staging/{os.getpid():x}-\d+", root.staged)


def test_the_photo_paths_of_the_table(root):
    """Each kind of file in the tree has the path that the table gives it."""
    del root
    kinds = {
        "variant": Variant,
        "info": Info,
        "attempt": Attempt,
        "failure": Failure,
        "version tombstone": VersionTombstone,
        "photo tombstone": PhotoTombstone,
    }
    rows = table(PAGE, "## Photo paths")
    assert [row["file"] for row in rows] == list(kinds)
    files = [parse_path(each) for each in sorted(drawn_files()) if re.match(r"42/k7/.", each)]
    assert {type(file) for file in files} == set(kinds.values())
    for row in rows:
        for file in files:
            if isinstance(file, kinds[row["file"]]):
                assert row["photo path"].format(**_parts_of(file)) == render_path(file)


def test_the_formats_of_variants():
    """The page lists every ext."""
    line = next(line for line in PAGE.splitlines() if line.startswith("- `ext` is one of"))
    assert tuple(codes(line.partition("one of")[2])) == EXTENSIONS


def test_the_attributes_of_files(root):
    """Modes, digests, and seconds are as the table has them."""
    modes = {row["file"]: row["mode"] for row in table(PAGE, "## Files")}
    for each in sorted(drawn_files()):
        path = root.path / (root.staged if each.startswith(".staging/") else each)
        row = {
            ".node": ".node",
            ".staging": "staged, not sealed",
            ".audit": "in `.audit/`",
            ".recent": "in `.recent/`",
        }.get(
            each.split("/")[0],
            "`.volume`, `.cold-tier`, `.summaries`, `.scrub`, `.space`, in `.maps/`"
            if path.name in MARKERS
            else "photo file, also in `.hints/`, `.trash/`, and `.quarantine/`",
        )
        if row == ".node":
            assert DIGEST_XATTR not in os.listxattr(path)
            continue
        assert f"{stat.S_IMODE(path.stat().st_mode):04o}" == modes[row]
        if row in {"staged, not sealed", "in `.audit/`", "in `.recent/`"}:
            assert DIGEST_XATTR not in os.listxattr(path)
            continue
        recorded = os.getxattr(path, DIGEST_XATTR).decode()
        is_tombstone = path.suffix == ".gone"
        place = place_of(each) if is_tombstone else None
        assert recorded == (proof_of(place) if place else digest_of(path.read_bytes()))
        assert stat.S_IMODE(path.parent.stat().st_mode) == (
            0o700 if path.parent == root.path else 0o750
        )
        assert path.stat().st_mtime == (NOW if path.name in MARKERS else UPLOADED)


def test_the_markers(root):
    """The three markers have the bytes in the page."""
    node, cold_tier = blocks(section(PAGE, "## Markers"), "json")
    (volume,) = blocks(section(PAGE, "## Markers"), "text")
    assert (root.path / ".node").read_text() == node
    assert node == render_marker(NodeMarker(uuid=SECRET_UUID, id="east-1", colo="east"))
    assert (root.path / "42/.volume").read_text() == volume
    assert (root.path / "42/.cold-tier").read_text() == cold_tier.rstrip("\n")
    assert render_cold_tier(COLD_TIER) == cold_tier.rstrip("\n")


def test_tombstones(root):
    """A tombstone has the bytes in the page, and keeps what it covers out."""
    for each in drawn_files():
        if each.endswith(".gone"):
            assert (root.path / each).read_bytes() == b""
    with pytest.raises(Gone):
        put(root.store, place_of("42/k7/01jd3x8m2f6yq1k7_5t6v7w_m.jpg"))


def test_the_areas_are_the_folders_of_a_root():
    """The table of what can be removed has a row for each, and the default retention."""
    rows = {row["area"]: row for row in table(PAGE, "## What can be removed")}
    drawn = {each for each in drawn_tree() if each.count("/") == 1 and each.endswith("/")}
    assert {each for each in rows if each.endswith("/")} - {"{volume}/"} == drawn - {"42/"}
    assert f"default {Limits().trash_days}" in rows[".trash/"]["the node removes"]
    assert f"default {Limits().audit_days}" in rows[".audit/"]["the node removes"]


def test_a_restart_empties_the_staging_folder_only(tmp_path):
    """A store removes the content of `.staging/` when it starts, and no other file."""
    mark_root(tmp_path, NODE)
    for name in (".staging/1-0", ".hints/x.y", ".trash/x.y", ".quarantine/x.y"):
        (tmp_path / name).write_bytes(b"")
    file_system = DiskFileSystem(tmp_path)
    assert DiskStore(file_system, PROOFS).leftovers == 1
    file_system.close_root()
    left = {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*.y")}
    assert left == {".hints/x.y", ".trash/x.y", ".quarantine/x.y"}


def _parts_of(file: PhotoFile) -> dict[str, object]:
    if isinstance(file, PhotoTombstone):
        return {"volume": file.volume, "shard": file.photo[-2:], "photo": file.photo}
    of = file.photo_version
    return {
        "volume": of.volume,
        "shard": of.shard,
        "photo": of.photo,
        "version": of.version,
        "size": getattr(file, "size", ""),
        "ext": getattr(file, "ext", ""),
        "number": getattr(file, "number", ""),
    }
