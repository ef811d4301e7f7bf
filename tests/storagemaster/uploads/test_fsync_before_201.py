"""System calls of an upload: both colos have fsynced before the 201 is sent."""

import contextlib
import http.client
import json
import re
import shutil
import subprocess
import sys
import time

import pytest

from glassplate.session.new_tokens import sign_new_token
from tests.storagemaster.pictures import picture
from tests.storagenode.node_process import end_traced, node_process
from tests.storagenode.served_site import make_site

NODES = ("east-1", "west-1")
UPLOADS = 10
CALLS = "fsync,syncfs,linkat,write,writev,sendto,sendmsg"
START_SECONDS = 60
CALL = re.compile(r"(\d+)\s+(\d+\.\d+) (.*)")


@pytest.fixture(name="uploads", scope="module")
def _uploads(tmp_path_factory):
    """Photos that were acknowledged with 201, and the log of each process."""
    folder = tmp_path_factory.mktemp("traced")
    site = make_site(folder)
    logs = {name: folder / f"trace-{name}" for name in (*NODES, "m1")}
    east, west = (tracer(logs[node]) for node in NODES)
    token = sign_new_token(site.keys, ["upload", "read", "original"])
    with (
        node_process(site, "east-1", tracer=east),
        node_process(site, "west-1", tracer=west),
        master_process(site, tracer(logs["m1"])),
    ):
        address = site.cluster.masters["m1"].address
        wait_until_it_responds(address)
        paths = [upload(address, token, number) for number in range(UPLOADS)]
    return paths, logs


def tracer(log):
    """Return the strace command that logs calls with their times and the paths of files."""
    strace = shutil.which("strace")
    assert strace, "make test installs strace"
    options = ["-f", "-y", "-qq", "-ttt", "-T", "-s", "80"]
    return [strace, *options, "-e", f"trace={CALLS}", "-o", str(log)]


@contextlib.contextmanager
def master_process(site, command):
    """Run a storagemaster, and kill it when the block exits."""
    arguments = ["--config", str(site.config), "--master", "m1"]
    process = subprocess.Popen(
        [*command, sys.executable, "-m", "storagemaster", *arguments], start_new_session=True
    )
    try:
        yield
    finally:
        end_traced(process)


def wait_until_it_responds(address):
    """Return when the storagemaster accepts requests."""
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            return send(address, "GET", "/healthz")
        except OSError:
            assert time.monotonic() < ends, "the storagemaster did not start"
            time.sleep(0.05)


def upload(address, token, number):
    """Upload a photo that must be acknowledged; return its volume and its id."""
    headers = {"Authorization": f"Bearer {token}"}
    status, body = send(address, "POST", "/photos", picture(number=number), headers)
    assert status == 201, body
    receipt = json.loads(body)
    assert receipt["durability"] == "mirrored"
    return receipt["volume"], receipt["photo"]


def send(address, method, path, body=None, headers=None):
    """Send a request; return the status and body of the response."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()


def calls_of(log):
    """Return the calls of a process as (began, ended, text), in seconds."""
    begun, calls = {}, []
    for line in log.read_text(errors="replace").splitlines():
        match = CALL.match(line)
        if match is None:
            continue
        thread, seconds, call = match[1], float(match[2]), match[3]
        if call.endswith("<unfinished ...>"):
            begun[thread] = (seconds, call.removesuffix("<unfinished ...>"))
        elif call.startswith("<... "):
            began, text = begun.pop(thread)
            calls.append((began, seconds, text + call.partition("resumed>")[2]))
        elif took := re.search(r"<(\d+\.\d+)>$", call):
            calls.append((seconds, seconds + float(took[1]), call))
    return calls


def syncs_bytes(sync, linked):
    """Return True if a call makes the bytes durable that another call links.

    A file without a name is linked by its descriptor.
    """
    if sync.startswith("syncfs("):
        return True
    source = re.search(r'"(\.staging/[^"]+|/proc/self/fd/(\d+))"', linked)
    return sync.startswith(f"fsync({source[2]}<") if source[2] else f"/{source[1]}>" in sync


def test_both_colos_fsync_file_and_name_before_the_201_is_sent(uploads):
    """This holds for every upload, by the clock of one machine."""
    paths, logs = uploads
    answers = sorted(began for began, _, text in calls_of(logs["m1"]) if "HTTP/1.1 201" in text)
    assert len(answers) == len(paths) == UPLOADS
    for node in NODES:
        calls = calls_of(logs[node])
        synced = [call for call in calls if re.match(r"(fsync|syncfs)\(.* = 0 ?", call[2])]
        for (volume, photo), answered in zip(paths, answers, strict=True):
            links = [call for call in calls if call[2].startswith("linkat(")]
            (linked,) = [call for call in links if photo in call[2]]
            # Descriptors are used again, so an earlier fsync of this one was for another photo.
            earlier = max((c[1] for c in links if c[1] <= linked[0]), default=0.0)
            file = [
                ended
                for began, ended, text in synced
                if syncs_bytes(text, linked[2]) and earlier <= began <= linked[0]
            ]
            name = [
                ended
                for began, ended, text in synced
                if began >= linked[1]
                and (f"/{volume}/{photo[-2:]}>" in text or text.startswith("syncfs("))
            ]
            assert file, f"{node} never fsynced the bytes of {photo}"
            assert name, f"{node} never fsynced the name of {photo}"
            assert max(file) <= linked[0]
            assert min(name) <= answered
