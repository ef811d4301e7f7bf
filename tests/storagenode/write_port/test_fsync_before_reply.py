"""The system calls of a real node: file and directory are fsynced before the response."""

import contextlib
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path

import pytest

from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import BundledFile, render_bundle
from tests.storagenode.node_process import body_of, call, node_process
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.served_site import make_site
from volumes.photo_path import VersionTombstone

CALLS = (
    "fsync,syncfs,fdatasync,linkat,rename,renameat,renameat2,write,writev,sendto,sendmsg,fsetxattr"
)
ANSWER = "HTTP/1.1 200"
DATA = bytes_of("photo", size=2000)
OF = version_of(33)
"""A photo of a shard of its own."""


@pytest.fixture(name="trace", scope="module")
def _trace():
    """Return the calls of a node during an operation, in order, with the paths of files."""
    with traced_node(syncfs="never") as trace:
        yield trace


@pytest.fixture(name="trace_own_disk", scope="module")
def _trace_own_disk():
    """Return the calls of a node that may sync its whole disk."""
    with traced_node(syncfs="always") as trace:
        yield trace


@contextlib.contextmanager
def traced_node(*, syncfs):
    """Run a node under strace."""
    strace = shutil.which("strace")
    assert strace, "make test installs strace"
    with tempfile.TemporaryDirectory() as name:
        site, log = make_site(Path(name), syncfs=syncfs), Path(name) / "trace"
        tracer = [strace, "-f", "-y", "-qq", "-s", "16", "-e", f"trace={CALLS}", "-o", str(log)]

        def trace(work):
            before = len(calls_of(log))
            call(site, "east-1", work)
            return calls_of(log)[before:]

        with node_process(site, "east-1", tracer=tracer):
            yield trace


def calls_of(log):
    """Return the calls in the order of their returns, and a response by its start."""
    begun, calls = {}, []
    for line in log.read_text(errors="replace").splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>").strip()
            if ANSWER in begun[thread]:
                calls.append(begun.pop(thread))
        elif call.startswith("<... "):
            if thread in begun:
                calls.append(begun.pop(thread) + call.partition("resumed>")[2])
        elif not call.startswith(("+++", "---")):
            calls.append(call)
    return [re.sub(r"\s*\)\s+= ", ") = ", call) for call in calls]


def index_of(calls, pattern):
    """Return the index of the only successful call that matches."""
    found = [n for n, call in enumerate(calls) if re.search(pattern, call)]
    assert len(found) == 1, f"{pattern}: {len(found)} in\n" + "\n".join(calls)
    assert " = -1 " not in calls[found[0]]
    return found[0]


def last_index_of(calls, pattern):
    """Return the index of the last call that matches."""
    return max(n for n, call in enumerate(calls) if re.search(pattern, call))


def response_in(calls):
    """Return the index of the response."""
    responses = [number for number, call in enumerate(calls) if ANSWER in call]
    assert len(responses) == 1, "\n".join(calls)
    return responses[0]


async def put(place, client):
    """Upload a file."""
    await client.put(place, body_of(DATA), mtime_seconds=MTIME, bytes_total=len(DATA))


def test_a_put_is_durable_before_its_response(trace):
    """Bytes and digest, fsync, name, fsync of the directory, and then the response."""
    place = variant_of(OF)
    calls = trace(partial(put, place))
    shard = f"/{VOLUME}/{OF.shard}"
    written = index_of(calls, r"^write\(\d+<[^>]*/\.staging/[^>]*>.* = 2000$")
    recorded = index_of(calls, r"^fsetxattr\(\d+<[^>]*/\.staging/[^>]*>, \"user\.sha256\"")
    synced = index_of(calls, r"^fsync\(\d+<[^>]*/\.staging/[^>]*>\) += 0")
    linked = index_of(calls, rf"^linkat\(.*\.staging/.*{re.escape(place.path)}")
    directory = index_of(calls, rf"^fsync\(\d+<[^>]*{shard}>\) += 0")
    assert written < recorded < synced < linked < directory < response_in(calls)


def test_an_existing_file_gets_its_directory_fsynced_again(trace):
    """The process that linked it may have died before."""
    place = variant_of(version_of(34))
    trace(partial(put, place))
    calls = trace(partial(put, place))
    directory = index_of(calls, rf"^fsync\(\d+<[^>]*/{VOLUME}/{version_of(34).shard}>\) += 0")
    assert directory < response_in(calls)


def test_a_hint_is_not_lost_with_its_directories(trace):
    """Each new directory is fsynced in its parent."""
    place = variant_of(OF, hint_for="west-1")
    calls = trace(partial(put, place))
    linked = index_of(calls, r"^linkat\(.*\.staging/.*\.hints/west-1")
    new = [
        index_of(calls, rf"^fsync\(\d+<[^>]*{re.escape(parent)}>\) += 0")
        for parent in ("/.hints", "/.hints/west-1", f"/.hints/west-1/{VOLUME}")
    ]
    named = index_of(calls, rf"^fsync\(\d+<[^>]*/\.hints/west-1/{VOLUME}/{OF.shard}>\) += 0")
    assert new == sorted(new)
    assert new[-1] < linked < named < response_in(calls)


def test_all_files_of_a_request_are_durable_before_its_response(trace):
    """Whichever threads have written them: bytes, name, and directory of each, in this order."""
    versions = [version_of(number) for number in range(40, 46)]
    calls = trace(partial(write_at_once, [variant_of(photo_version) for photo_version in versions]))
    response = response_in(calls)
    for photo_version in versions:
        path = re.escape(variant_of(photo_version).path)
        linked = index_of(calls, rf'^linkat\(.*"/proc/self/fd/\d+".*{path}')
        handle = re.search(r"/proc/self/fd/(\d+)", calls[linked])[1]
        # Files that are written one after the other have the same handle: the last one counts.
        written = last_index_of(calls[:linked], rf"^write\({handle}<[^>]*>\(deleted\),.* = 2000$")
        synced = last_index_of(calls[:linked], rf"^fsync\({handle}<[^>]*>\(deleted\)\) += 0")
        directory = index_of(calls, rf"^fsync\(\d+<[^>]*/{VOLUME}/{photo_version.shard}>\) += 0")
        assert written < synced < linked < directory < response


def test_a_disk_of_its_own_is_synced_before_the_names_and_before_the_response(trace_own_disk):
    """One sync makes all bytes durable, a second one all names."""
    places = [variant_of(version_of(number)) for number in range(50, 54)]
    calls = trace_own_disk(partial(write_at_once, places))
    syncs = [n for n, call in enumerate(calls) if re.search(r"^syncfs\(\d+<.*\) += 0", call)]
    links = [n for n, call in enumerate(calls) if call.startswith("linkat(")]
    written = [n for n, call in enumerate(calls) if re.search(r"^write\(.* = 2000$", call)]
    recorded = [n for n, call in enumerate(calls) if "user.sha256" in call]
    assert [len(each) for each in (syncs, links, written, recorded)] == [2, 4, 4, 4]
    assert max(*written, *recorded) < syncs[0] < min(links)
    assert max(links) < syncs[1] < response_in(calls)
    assert not [call for call in calls if call.startswith("fsync(")]


async def write_at_once(places, client):
    """Write small files in one request."""
    await client._write_many(
        [InMemoryFile(place, DATA, digest_of(DATA), MTIME) for place in places]
    )


def test_an_info_is_linked_after_its_sizes_are_durable(trace):
    """One fsync of the directory for all sizes, and one for the info."""
    photo_version = version_of(35)
    calls = trace(partial(put_sizes, photo_version))
    shard = f"/{VOLUME}/{photo_version.shard}"
    links = [n for n, call in enumerate(calls) if call.startswith("linkat(")]
    info = index_of(calls, r"^linkat\(.*\.json")
    files = [n for n, call in enumerate(calls) if re.search(r"^fsync\(.*/\.staging/", call)]
    names = [n for n, call in enumerate(calls) if re.search(rf"^fsync\(\d+<[^>]*{shard}>\)", call)]
    assert (len(links), len(files), len(names)) == (13, 13, 2)
    assert max(files) < min(links)
    assert max(link for link in links if link != info) < names[0] < info < names[1]
    assert names[1] < response_in(calls)


async def put_sizes(photo_version, client):
    """Upload all sizes of a photo."""
    files = [BundledFile(p.path, digest, data) for p, data, digest in bundle_of(photo_version)]
    await client.put_bundle(photo_version, render_bundle(files), hint_for=None, mtime_seconds=MTIME)


def test_a_tombstone_is_durable_before_covered_files_move(trace):
    """And before the response."""
    photo_version = version_of(36)
    trace(partial(put, variant_of(photo_version)))
    calls = trace(partial(delete, photo_version))
    shard = f"/{VOLUME}/{photo_version.shard}"
    linked = index_of(calls, r"^linkat\(.*\.gone")
    moved = index_of(calls, r"^rename.*_o\.jpg.*\.trash/")
    names = [n for n, call in enumerate(calls) if re.search(rf"^fsync\(\d+<[^>]*{shard}>\)", call)]
    assert linked < names[0] < moved < names[1] < response_in(calls)


async def delete(photo_version, client):
    """Delete a version."""
    await client.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)
