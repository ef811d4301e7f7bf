"""The `.node` marker: a root belongs to one node, on a suitable file system."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from storagenode.app import running_node
from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.disk.marker import (
    NodeMarker,
    close_to_others,
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
    """Return a node with this name."""
    address = Address("127.0.0.1", 1)
    return Node(id=id_, colo=colo, read=address, write=address, store="unused", uuid=uuid)


@pytest.fixture(name="folder")
def _folder(tmp_path):
    return tmp_path / "root"


def test_an_empty_directory_becomes_a_root(folder):
    """It gets a uuid and the hidden folders."""
    marker = mark_root(folder, node_of())
    assert {entry.name for entry in folder.iterdir()} == {NODE_MARKER, *FOLDERS}
    assert marker == NodeMarker(uuid=marker.uuid, id="east-1", colo="east", format=1)
    assert len(marker.uuid) == 36
    assert read_marker(folder, node_of()) == marker
    prove_root(folder)


def mode_of(path):
    """Return the permission bits of a path."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_root_is_for_its_owner_alone(folder):
    """Also if the directory was open to all users, such as a new file system."""
    folder.mkdir()
    folder.chmod(0o755)
    mark_root(folder, node_of())
    assert mode_of(folder) == 0o700


@pytest.mark.parametrize(
    ("before", "after"),
    [(0o700, 0o700), (0o755, 0o750), (0o777, 0o750), (0o701, 0o700), (0o2750, 0o2750)],
)
def test_other_users_lose_their_rights_to_a_root(folder, before, after):
    """The group keeps the right to read, which an operator can have given to nginx."""
    folder.mkdir()
    folder.chmod(before)
    close_to_others(folder)
    assert mode_of(folder) == after


def test_a_root_that_stays_open_to_others_is_refused(folder, monkeypatch):
    """The message has the mode and the command."""

    def fail(*_):
        raise PermissionError(1, "Operation not permitted")

    folder.mkdir()
    folder.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", fail)
    with pytest.raises(RootRefused, match=r"has mode 0755, .*; run chmod 750 .*root as its owner"):
        close_to_others(folder)


def test_missing_directories_above_the_root_are_created(tmp_path):
    """All of them."""
    mark_root(tmp_path / "a" / "b" / "c", node_of())
    assert (tmp_path / "a" / "b" / "c" / NODE_MARKER).exists()


def test_marking_again_changes_nothing(folder):
    """Photos stay as well."""
    first = mark_root(folder, node_of())
    (folder / "42").mkdir()
    assert mark_root(folder, node_of()) == first


def test_the_uuid_of_the_config_is_marked(folder):
    """No other uuid is accepted."""
    mark_root(folder, node_of(uuid="from-the-config"))
    assert read_marker(folder, node_of()).uuid == "from-the-config"
    with pytest.raises(RootRefused, match="uuid is 'from-the-config', must be 'another'"):
        read_marker(folder, node_of(uuid="another"))


def test_a_new_disk_can_have_a_lost_and_found_folder(folder):
    """Some file systems create it."""
    (folder / "lost+found").mkdir(parents=True)
    mark_root(folder, node_of())


@pytest.mark.parametrize("name", ["a-file", "42", ".hidden"])
def test_a_directory_with_files_is_not_made_a_root(folder, name):
    """They belong to someone else, or to a node that lost its marker."""
    (folder / name).mkdir(parents=True)
    with pytest.raises(RootRefused, match=r"but no \.node marker; use an empty directory"):
        mark_root(folder, node_of())
    assert [entry.name for entry in folder.iterdir()] == [name]


def test_hints_without_a_marker_prevent_marking(folder):
    """Only empty folders of an interrupted call are accepted."""
    (folder / HINTS / "west-1").mkdir(parents=True)
    with pytest.raises(RootRefused):
        mark_root(folder, node_of())


@pytest.mark.parametrize("made", range(6))
def test_an_interrupted_call_is_finished_by_the_next(folder, made):
    """At any point."""
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
    """Disks can be swapped."""
    mark_root(folder, node_of())
    with pytest.raises(RootRefused, match=what):
        read_marker(folder, node)
    with pytest.raises(RootRefused, match=what):
        mark_root(folder, node)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", '"x"', "{}", '{"uuid": "u", "id": "east-1"}', "\xff", '{"a": 1}'],
)
def test_an_invalid_marker_is_refused(folder, text):
    """A partial marker, or another file with its name."""
    mark_root(folder, node_of())
    (folder / NODE_MARKER).write_bytes(text.encode("latin-1"))
    with pytest.raises(RootRefused, match="cannot read the marker"):
        read_marker(folder, node_of())


def test_a_root_of_another_format_is_refused(folder):
    """An older release can have written it."""
    mark_root(folder, node_of())
    fields = json.loads((folder / NODE_MARKER).read_text())
    (folder / NODE_MARKER).write_text(json.dumps({**fields, "format": 2}))
    with pytest.raises(RootRefused, match="format is 2, must be 1"):
        read_marker(folder, node_of())


def test_a_root_has_one_process_only(folder):
    """Locks and staging are private to a process."""
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


def test_a_second_node_on_a_root_does_not_start(site):
    """It leaves the writes of the first node alone."""
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
    """Fail as `setxattr` does on a file system without user xattrs."""
    raise OSError(95, "Operation not supported")


def refuse_writes(*_args, **_kwargs):
    """Fail as `setxattr` does on a read-only file system."""
    raise OSError(30, "Read-only file system")


def test_a_file_system_without_xattrs_is_refused_with_what_to_use(folder, monkeypatch):
    """It cannot store digests."""
    mark_root(folder, node_of())
    monkeypatch.setattr(os, "setxattr", refuse_xattrs)
    with pytest.raises(RootRefused, match="use ext4, xfs, or btrfs"):
        prove_root(folder)
    assert list((folder / STAGING).iterdir()) == []


def test_a_read_only_root_is_refused(folder, monkeypatch):
    """The error does not mention xattrs."""
    mark_root(folder, node_of())
    with monkeypatch.context() as patch:
        patch.setattr(os, "setxattr", refuse_writes)
        with pytest.raises(RootRefused, match=r"cannot write to .*: .*Read-only"):
            prove_root(folder)
    (folder / STAGING).rmdir()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse_writes)
        with pytest.raises(RootRefused, match="cannot write to"):
            prove_root(folder)


def test_hidden_folders_that_were_removed_are_created_again(folder):
    """An operator can remove them while the node is stopped."""
    mark_root(folder, node_of())
    for name in (STAGING, HINTS, TRASH, QUARANTINE):
        (folder / name).rmdir()
    prove_root(folder)
    for name in (STAGING, HINTS, TRASH, QUARANTINE):
        assert (folder / name).is_dir()


# Root of a user namespace can mount a ramfs, which has no xattrs. Where namespaces are forbidden,
# `setxattr` is patched to fail instead.
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
    """The start of the node detects it, not the first photo."""
    in_namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    can_unshare = subprocess.run([*in_namespace, "true"], check=False, capture_output=True)
    project = Path(__file__).parents[3]
    output = subprocess.run(
        [
            *(in_namespace if can_unshare.returncode == 0 else []),
            *(sys.executable, "-c", _PROVE, str(folder)),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(project)},
    ).stdout
    sys.stdout.write(output)
    assert "without user xattrs" in output


def test_hidden_folders_on_another_file_system_are_refused(folder, monkeypatch):
    """Hard links do not cross file systems."""
    mark_root(folder, node_of())
    real = Path.stat

    class StatOfAnotherDisk:
        """The stat result of a mount point."""

        st_dev = -1

    def stat(path, **options):
        return StatOfAnotherDisk() if path.name == STAGING else real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(RootRefused, match="is on another file system"):
        prove_root(folder)


def test_the_disk_of_these_tests_has_xattrs(folder):
    """Otherwise these tests would prove nothing."""
    mark_root(folder, node_of())
    os.setxattr(folder / NODE_MARKER, DIGEST_XATTR, b"1")
