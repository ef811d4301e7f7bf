"""A cache that knows nothing of permissions, as a CDN has, before an edge: as the docs promise."""

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.proxy_config.edge_requests import ask, in_seconds, new_photo_path, sign
from tests.proxy_config.fake_node import bytes_of
from volumes.address import Address

# Its key is the whole URL, and it does what Cache-Control says.
CONFIG = """
{user}
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    proxy_temp_path {folder}/proxy;
    client_body_temp_path {folder}/body;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=all:1m;
    server {{
        listen {address};
        merge_slashes off;
        location / {{
            proxy_cache all;
            proxy_cache_key $request_uri;
            add_header Cache-Status $upstream_cache_status always;
            proxy_pass http://{edge};
        }}
    }}
}}
"""


@pytest.fixture(name="cdn", scope="module")
def _cdn(edge, free_port):
    """Where the cache listens."""
    folder = Path(tempfile.mkdtemp(prefix="cdn-"))
    folder.chmod(0o755)
    address = Address("127.0.0.1", free_port())
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    text = CONFIG.format(folder=folder, address=address, edge=edge.address, user=user)
    (folder / "conf").write_text(text)
    command = ["/usr/sbin/nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/conf"]
    process = subprocess.Popen([*command, "-g", "daemon off;"])
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            ask(address, "/healthz")
            break
        time.sleep(0.02)
    yield address
    process.terminate()
    process.wait()
    shutil.rmtree(folder)


def test_a_url_for_ever_is_answered_by_the_cache_alone(cdn, nodes):
    """After the first time, neither the edge nor a node hears of it."""
    path = new_photo_path()
    answers = [ask(cdn, sign(path)) for _ in range(3)]
    assert [(answer.status, answer.body) for answer in answers] == [(200, bytes_of(path))] * 3
    assert [a.headers["cache-status"] for a in answers] == ["MISS", "HIT", "HIT"]
    assert nodes[0].asked_for(path) == 1


def test_a_url_that_ends_is_kept_no_longer_than_it_is_good(cdn):
    """The cache serves it while it lasts, and then asks the edge, which forbids it."""
    url = sign(new_photo_path(), expiry=in_seconds(4))
    answers = [ask(cdn, url) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].headers["cache-status"] == "HIT"
    deadline = time.monotonic() + 10
    while ask(cdn, url).status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert time.monotonic() < deadline - 5.5, "it was served for longer than its permission says"


def test_what_is_forbidden_is_never_kept(cdn):
    """Each is asked of the edge again, so that a bad URL costs a good one nothing."""
    path = new_photo_path()
    for bad in (f"/{path}", sign(path, size_class="large"), sign(path, expiry=1)):
        answers = [ask(cdn, bad) for _ in range(2)]
        assert [(a.status, a.headers["cache-status"]) for a in answers] == [(403, "MISS")] * 2
    assert ask(cdn, sign(path)).body == bytes_of(path)
