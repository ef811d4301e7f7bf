"""nginx edges: logs, X-Accel-Redirect, Varnish tier, TLS, and retired keys."""

import re
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import urlopen

import pytest

from proxy_config import TlsFiles
from tests.proxy_config.edge_requests import (
    READ_KEYS,
    in_seconds,
    new_photo_path,
    send_request,
    sign,
)
from tests.proxy_config.fake_node import bytes_of
from volumes.address import Address


@pytest.fixture(name="cluster")
def _cluster(make_cluster, nodes):
    """Return a cluster with unused ports for each test."""
    return make_cluster({"42": [node.port for node in nodes]})


@pytest.fixture(name="application")
def _application(free_port):
    """Run an application that checks its own users and redirects to the photo in the query."""

    class Application(BaseHTTPRequestHandler):
        def log_message(self, *_):
            """Discard the log line."""

        def do_GET(self):
            known = self.headers.get("X-User") == "name"
            self.send_response(200 if known else 401)
            if known:
                self.send_header("X-Accel-Redirect", "/-/reproxy/" + self.path.partition("?")[2])
                self.send_header("Cache-Control", "private, max-age=60")
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = HTTPServer(("127.0.0.1", free_port()), Application)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield Address("127.0.0.1", server.server_port)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(name="reproxying")
def _reproxying(nginx, cluster, application, tmp_path):
    """Run an edge with an operator's location for the application."""
    tmp_path.chmod(0o755)
    (tmp_path / "application.conf").write_text(
        "location /private/ {\n"
        f"    proxy_pass http://{application};\n"
        "    proxy_pass_request_headers on;\n"
        "    proxy_cache off;\n"
        "    proxy_intercept_errors off;\n"
        "    proxy_ignore_headers Set-Cookie;\n"
        "}\n"
    )
    return nginx(cluster, "nginx", READ_KEYS, site_include=f"{tmp_path}/*.conf")


def test_an_application_can_redirect_to_a_photo(reproxying, nodes):
    """X-Accel-Redirect with a photo path serves that photo with the application's Cache-Control."""
    path = new_photo_path(size="o")
    response = send_request(reproxying.address, f"/private/?{path}", headers={"X-User": "name"})
    assert (response.status, response.body) == (200, bytes_of(path))
    assert response.headers["cache-control"] == "private, max-age=60"
    assert response.headers["content-type"] == "image/jpeg"
    again = send_request(reproxying.address, f"/private/?{path}", headers={"X-User": "name"})
    assert again.without("date", "x-request-id") == response.without("date", "x-request-id")
    assert nodes[0].request_count(path) == 1


def test_an_application_decides_alone(reproxying):
    """A user whom the application rejects gets nothing, and an invalid path gives nothing."""
    path = new_photo_path()
    assert send_request(reproxying.address, f"/private/?{path}").status == 401
    for bad in ("x", "42/00/../00.jpg", "etc/passwd", path + ".jpg", path.replace("_m", "_y")):
        response = send_request(reproxying.address, f"/private/?{bad}", headers={"X-User": "name"})
        assert response.status in {400, 403, 404}
        assert response.headers["content-type"].startswith("text/plain")
    newer = new_photo_path(volume=9)
    response = send_request(reproxying.address, f"/private/?{newer}", headers={"X-User": "name"})
    assert (response.status, response.headers["retry-after"]) == (503, "1")


def test_no_log_holds_a_permission(nginx, cluster, nodes):
    """No log contains a MAC, whatever happens to the request."""
    edge = nginx(cluster, "nginx", READ_KEYS)
    path, absent = new_photo_path(), new_photo_path()
    for node in nodes:
        node.absent.add(absent)
    urls = [sign(path), sign(path, expiry=in_seconds(60)), sign(path, expiry=1), sign(absent)]
    urls += [sign(absent, expiry=in_seconds(60)), sign(new_photo_path(volume=9))]
    requests = urls + [f"{url}/..%2f" for url in urls] + [f"{url}?{url}" for url in urls]
    for url in requests:
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            send_request(
                edge.address, url, method=method, headers={"Referer": url, "User-Agent": url}
            )
    for node in nodes:
        node.stop()
    urls.append(sign(new_photo_path()))
    send_request(edge.address, urls[-1])
    for node in nodes:
        node.start()
    time.sleep(1.5)
    logs = edge.logs()
    assert logs.count("\n") > len(requests)
    assert path in logs
    assert not [url for url in urls if url.split(".")[3] in logs]


def test_a_cache_hit_is_logged_with_its_photo_path(nginx, cluster):
    """A log line of a cache hit has the photo path without the permission."""
    edge = nginx(cluster, "nginx", READ_KEYS)
    path = new_photo_path()
    for _ in range(3):
        send_request(edge.address, sign(path))
    time.sleep(1.5)
    lines = (edge.run_dir / "access.log").read_text().splitlines()
    assert [line.split()[4] for line in lines] == [path] * 3
    assert sorted(line.split()[-1] for line in lines) == ["HIT", "HIT", "MISS"]


@pytest.mark.parametrize("expiry", [0, 0xFFFFFFFF])
def test_a_varnish_tier_is_tried_before_the_nodes_and_can_fail(
    nginx, varnish, make_cluster, nodes, expiry
):
    """The chain nginx > Varnish > node works, and so does nginx > node while the tier is down."""
    ports = [node.port for node in nodes]
    middle = varnish(make_cluster({"42": ports}), "varnish", READ_KEYS)
    front = make_cluster({"42": ports})
    edge = nginx(front, "nginx", READ_KEYS, varnish_tier=(middle.address,))
    path, other = new_photo_path(), new_photo_path()
    assert send_request(edge.address, sign(path, expiry=expiry)).body == bytes_of(path)
    assert send_request(middle.address, sign(path)).body == bytes_of(path)
    assert nodes[0].request_count(path) == 1
    middle.process.terminate()
    middle.process.wait()
    assert send_request(edge.address, sign(other, expiry=expiry)).body == bytes_of(other)
    assert send_request(edge.address, sign(path, expiry=expiry)).body == bytes_of(path)


def test_photos_over_tls(nginx, cluster, tmp_path):
    """With a certificate the edge accepts only TLS."""
    tls = TlsFiles(certificate=f"{tmp_path}/chain.pem", key=f"{tmp_path}/key.pem")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=photos.test",
            "-keyout",
            tls.key,
            "-out",
            tls.certificate,
        ],
        check=True,
        capture_output=True,
    )
    edge = nginx(cluster, "nginx", READ_KEYS, tls=tls)
    path = new_photo_path()
    context = ssl.create_default_context(cafile=tls.certificate)
    context.check_hostname = False
    with urlopen(f"https://{edge.address}{sign(path)}", context=context, timeout=20) as response:
        assert response.read() == bytes_of(path)
        assert "max-age" in response.headers["Strict-Transport-Security"]
    assert send_request(edge.address, sign(path)).status == 400


def test_a_url_has_the_same_verdict_cached_or_evicted(nginx, cluster):
    """Evicted URLs are checked again, with the same result."""
    edge = nginx(cluster, "nginx", READ_KEYS, verified_urls_max=1, worker_processes=1)
    good = [sign(new_photo_path(), expiry=expiry) for expiry in (0, in_seconds(600), 0)]
    bad = [f"{url[:-5]}{'B' if url[-5] == 'A' else 'A'}.jpg" for url in good]
    for _ in range(3):
        assert [send_request(edge.address, url).status for url in (*good, *good[::-1])] == [200] * 6
        assert [send_request(edge.address, url).status for url in bad] == [403] * 3


def test_a_retired_key_opens_nothing_that_is_cached(nginx, cluster):
    """After a reload without a key, its URLs are forbidden, also for cached photos."""
    edge = nginx(cluster, "nginx", READ_KEYS)
    path = new_photo_path()
    old, new = sign(path, key_id="b2"), sign(path, key_id="a")
    assert send_request(edge.address, old).status == send_request(edge.address, new).status == 200
    config = edge.folder / "config"
    text = (config / "keys.lua").read_text()
    (config / "keys.lua").write_text(re.sub(r'\["b2"\] = .*', "", text))
    subprocess.run([*edge.process.args, "-s", "reload"], check=True, capture_output=True)
    deadline = time.monotonic() + 10
    while send_request(edge.address, old).status != 403:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert send_request(edge.address, new).status == 200
