"""The `.node` marker: a root is one node's, on a disk that can do what a node needs, or refused."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from storagenode.app import running_node
from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.disk.marker import (
    NodeMarker,
    mark_root,
    prove_root,
    read_marker,
    root_lock,
)
from storagenode.protocol.layout import HINTS, NODE_MARKER, QUARANTINE, STAGING, TRASH
from storagenode.store import RootRefused
from tests.storagenode.served_site import LoopThread, make_site
from volumes.address import Address
from volumes.cluster import Node

FOLDERS = {STAGING, HINTS, TRASH, QUARANTINE}


def node_of(id_="east-1", *, colo="east", uuid=""):
    """A node of this name."""
    address = Address("127.0.0.1", 1)
    return Node(id=id_, colo=colo, read=address, write=address, store="unused", uuid=uuid)


@pytest.fixture(name="folder")
def _folder(tmp_path):
    return tmp_path / "root"


def test_an_empty_directory_becomes_a_root(folder):
    """With a uuid of its own, and the folders that hold what is hidden."""
    marker = mark_root(folder, node_of())
    assert {entry.name for entry in folder.iterdir()} == {NODE_MARKER, *FOLDERS}
    assert marker == NodeMarker(uuid=marker.uuid, id="east-1", colo="east", format=1)
    assert len(marker.uuid) == 36
    assert read_marker(folder, node_of()) == marker
    prove_root(folder)


def test_directories_above_the_root_are_made(tmp_path):
    """As many as there are missing."""
    mark_root(tmp_path / "a" / "b" / "c", node_of())
    assert (tmp_path / "a" / "b" / "c" / NODE_MARKER).exists()


def test_marking_again_changes_nothing(folder):
    """Also with photos in it."""
    first = mark_root(folder, node_of())
    (folder / "42").mkdir()
    assert mark_root(folder, node_of()) == first


def test_a_uuid_in_the_config_is_the_one_that_is_marked(folder):
    """And the only one that will do."""
    mark_root(folder, node_of(uuid="from-the-config"))
    assert read_marker(folder, node_of()).uuid == "from-the-config"
    with pytest.raises(RootRefused, match="uuid is 'from-the-config', must be 'another'"):
        read_marker(folder, node_of(uuid="another"))


def test_a_fresh_disk_has_a_folder_that_is_nobody_s(folder):
    """Some file systems put it there."""
    (folder / "lost+found").mkdir(parents=True)
    mark_root(folder, node_of())


@pytest.mark.parametrize("name", ["a-file", "42", ".hidden"])
def test_a_directory_with_files_is_not_made_a_root(folder, name):
    """They are somebody's, or a node's that lost its marker."""
    (folder / name).mkdir(parents=True)
    with pytest.raises(RootRefused, match=r"but no \.node marker; use an empty directory"):
        mark_root(folder, node_of())
    assert [entry.name for entry in folder.iterdir()] == [name]


def test_owed_work_of_a_root_that_lost_its_marker_is_not_made_another_s(folder):
    """An empty folder is what an interrupted call left; one with files is not."""
    (folder / HINTS / "west-1").mkdir(parents=True)
    with pytest.raises(RootRefused):
        mark_root(folder, node_of())


@pytest.mark.parametrize("made", range(6))
def test_a_call_that_was_interrupted_is_finished_by_the_next(folder, made):
    """However far it came."""
    folder.mkdir()
    for name in sorted(FOLDERS)[:made]:
        (folder / name).mkdir()
    if made == 5:
        (folder / f"{NODE_MARKER}.new").write_text('{"uuid": "half')
    mark_root(folder, node_of())
    prove_root(folder)
    assert {entry.name for entry in folder.iterdir()} == {NODE_MARKER, *FOLDERS}


def test_a_missing_marker_says_what_to_do(folder):
    """Mount the disk, or mark a new one."""
    folder.mkdir()
    with pytest.raises(RootRefused, match=r"mount it\. .* glassplate node init east-1"):
        read_marker(folder, node_of())
    with pytest.raises(RootRefused, match="is missing"):
        read_marker(folder / "not-there", node_of())


@pytest.mark.parametrize(
    ("node", "what"),
    [
        (node_of("east-2"), "id is 'east-1', must be 'east-2'"),
        (node_of(colo="west"), "colo is 'east', must be 'west'"),
        (node_of("west-1", colo="west"), "id is 'east-1', must be 'west-1'; colo is 'east'"),
    ],
)
def test_another_node_s_root_is_refused(folder, node, what):
    """Disks may have been exchanged."""
    mark_root(folder, node_of())
    with pytest.raises(RootRefused, match=what):
        read_marker(folder, node)
    with pytest.raises(RootRefused, match=what):
        mark_root(folder, node)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", '"x"', "{}", '{"uuid": "u", "id": "east-1"}', "\xff", '{"a": 1}'],
)
def test_a_marker_that_is_none_is_refused(folder, text):
    """Half of one, or something else by the same name."""
    mark_root(folder, node_of())
    (folder / NODE_MARKER).write_bytes(text.encode("latin-1"))
    with pytest.raises(RootRefused, match="cannot read the marker"):
        read_marker(folder, node_of())


def test_a_root_of_another_format_is_refused(folder):
    """By an older release, say."""
    mark_root(folder, node_of())
    fields = json.loads((folder / NODE_MARKER).read_text())
    (folder / NODE_MARKER).write_text(json.dumps({**fields, "format": 2}))
    with pytest.raises(RootRefused, match="format is 2, must be 1"):
        read_marker(folder, node_of())


def test_a_root_is_held_by_one_process_only(folder):
    """The locks and the staging of one know nothing of those of another."""
    mark_root(folder, node_of())
    script = (
        "import sys; from pathlib import Path; from storagenode.disk.marker import root_lock\n"
        "with root_lock(Path(sys.argv[1])): pass\n"
    )
    command = [sys.executable, "-c", script, str(folder)]
    with root_lock(folder):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        with pytest.raises(RootRefused), root_lock(folder):
            pass
    assert "is in use by another process" in refused.stderr
    assert subprocess.run(command, check=False).returncode == 0


@pytest.fixture(name="site")
def _site():
    with tempfile.TemporaryDirectory() as name:
        yield make_site(Path(name))


def test_a_second_node_on_a_root_does_not_start_and_does_no_harm(site):
    """Least of all to the writes that the first has begun."""
    node, other_ports = site.node("east-1"), site.node("west-1")
    twin = Node(
        id=node.id, colo=node.colo, store=node.store, read=other_ports.read, write=other_ports.write
    )
    thread = LoopThread()

    async def start_both():
        async with running_node(site.cluster, node, site.keys) as store:
            with store.staging(bytes_expected=1) as file:
                with pytest.raises(RootRefused):
                    await running_node(site.cluster, twin, site.keys).__aenter__()
                assert (Path(node.store) / file.path).exists()
        async with running_node(site.cluster, twin, site.keys):
            pass

    try:
        thread.run(start_both())
    finally:
        thread.close()


def refuse_xattrs(*_args, **_kwargs):
    """What a file system without user xattrs says to `setxattr`."""
    raise OSError(95, "Operation not supported")


def refuse_writes(*_args, **_kwargs):
    """What a read-only file system says to `setxattr`."""
    raise OSError(30, "Read-only file system")


def test_a_file_system_without_xattrs_is_refused_with_what_to_use(folder, monkeypatch):
    """Digests could not be kept there."""
    mark_root(folder, node_of())
    monkeypatch.setattr(os, "setxattr", refuse_xattrs)
    with pytest.raises(RootRefused, match="use ext4, xfs, or btrfs"):
        prove_root(folder)
    assert list((folder / STAGING).iterdir()) == []


def test_a_root_that_cannot_be_written_is_refused_as_such(folder, monkeypatch):
    """And not for want of xattrs."""
    mark_root(folder, node_of())
    with monkeypatch.context() as patch:
        patch.setattr(os, "setxattr", refuse_writes)
        with pytest.raises(RootRefused, match=r"cannot write to .*: .*Read-only"):
            prove_root(folder)
    (folder / STAGING).rmdir()
    with pytest.raises(RootRefused, match="cannot write to"):
        prove_root(folder)


# As root of a user namespace anyone may mount a ramfs, which has no xattrs. Where namespaces are
# forbidden the file system is the one that there is, and `setxattr` is made to refuse.
_PROVE = """
import os, subprocess, sys
from pathlib import Path
root = Path(sys.argv[1])
root.mkdir()
if subprocess.run(["mount", "-t", "ramfs", "ramfs", str(root)]).returncode:
    def refuse(*_):
        raise OSError(95, "Operation not supported")
    os.setxattr = refuse
else:
    sys.stdout.write("a real ramfs. ")
from storagenode.disk.marker import RootRefused, mark_root, prove_root
from tests.storagenode.disk.test_root_marker import node_of
mark_root(root, node_of())
try:
    prove_root(root)
except RootRefused as refused:
    sys.stdout.write(str(refused))
"""


def test_a_real_file_system_without_xattrs_is_refused(folder):
    """Found out when the node starts, and not at its first photo."""
    in_namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    can_unshare = subprocess.run([*in_namespace, "true"], check=False, capture_output=True)
    project = Path(__file__).parents[3]
    told = subprocess.run(
        [
            *(in_namespace if can_unshare.returncode == 0 else []),
            *(sys.executable, "-c", _PROVE, str(folder)),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(project)},
    ).stdout
    sys.stdout.write(told)
    assert "without user xattrs" in told


def test_hidden_folders_on_another_file_system_are_refused(folder, monkeypatch):
    """A link from there would not reach."""
    mark_root(folder, node_of())
    real = Path.stat

    class StatOfAnotherDisk:
        """What is told of a folder that something is mounted on."""

        st_dev = -1

    def stat(path, **options):
        return StatOfAnotherDisk() if path.name == STAGING else real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(RootRefused, match="is on another file system"):
        prove_root(folder)


def test_the_disk_of_these_tests_has_xattrs(folder):
    """Without, nothing here would mean anything."""
    mark_root(folder, node_of())
    os.setxattr(folder / NODE_MARKER, DIGEST_XATTR, b"1")
