"""A cache without permission checks, such as a CDN, in front of an edge."""

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.proxy_config.edge_requests import in_seconds, new_photo_path, send_request, sign
from tests.proxy_config.fake_node import bytes_of
from volumes.address import Address

# The cache key is the whole URL, and the cache follows Cache-Control.
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
    """Return the address of the cache."""
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
            send_request(address, "/healthz")
            break
        time.sleep(0.02)
    yield address
    process.terminate()
    process.wait()
    shutil.rmtree(folder)


def test_a_permanent_url_is_served_by_the_cache_alone(cdn, nodes):
    """A URL without expiry is cached after its first request."""
    path = new_photo_path()
    responses = [send_request(cdn, sign(path)) for _ in range(3)]
    assert [(response.status, response.body) for response in responses] == [
        (200, bytes_of(path))
    ] * 3
    assert [a.headers["cache-status"] for a in responses] == ["MISS", "HIT", "HIT"]
    assert nodes[0].request_count(path) == 1


def test_a_url_with_expiry_is_cached_until_its_expiry(cdn):
    """The cache serves a URL until its expiry; then the edge forbids it."""
    url = sign(new_photo_path(), expiry=in_seconds(4))
    responses = [send_request(cdn, url) for _ in range(2)]
    assert [response.status for response in responses] == [200, 200]
    assert responses[1].headers["cache-status"] == "HIT"
    deadline = time.monotonic() + 10
    while send_request(cdn, url).status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert time.monotonic() < deadline - 5.5, "it was served for longer than its permission says"


def test_a_forbidden_response_is_never_cached(cdn):
    """A forbidden response is never cached, so that it does not affect valid URLs."""
    path = new_photo_path()
    for bad in (f"/{path}", sign(path, size_class="large"), sign(path, expiry=1)):
        responses = [send_request(cdn, bad) for _ in range(2)]
        assert [(a.status, a.headers["cache-status"]) for a in responses] == [(403, "MISS")] * 2
    assert send_request(cdn, sign(path)).body == bytes_of(path)
