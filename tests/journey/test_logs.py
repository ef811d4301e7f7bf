"""One id leads through the logs of all roles, and no log has anything that opens a photo.

The cluster is shared, so the logs are also of every journey before.
"""

import contextlib
import json
import re
import socket
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from glassplate.session.new_tokens import sign_new_token
from permission_urls import load_keys
from tests.journey.running_cluster import fetch, read_from, wait_until

ID = "0123456789abcdef" * 2


def logs_of(cluster, *names):
    """Return the log of some processes, or all logs of the cluster, by path."""
    files = [*cluster.data.glob("log/*.log"), *cluster.data.glob("*s/*/run/*.log")]
    return {
        str(file.relative_to(cluster.data)): file.read_text(errors="replace")
        for file in files
        if not names or file.stem in names
    }


def wait_for_line(cluster, name, *parts):
    """Return the first line with all parts in the log of a process."""
    found = []

    def is_there():
        (log,) = logs_of(cluster, name).values()
        found[:] = [line for line in log.splitlines() if all(part in line for part in parts)]
        return found

    wait_until(f"a line with {parts} in the log of {name}", is_there)
    return found[0]


def post(cluster, data, token, **headers):
    """Upload bytes to the first storagemaster; return the response."""
    master = next(iter(cluster.config.masters.values()))
    headers = {name.replace("_", "-"): text for name, text in headers.items()}
    headers |= {"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"}
    return urlopen(Request(f"http://{master.address}/photos", data, headers), timeout=30)


@pytest.mark.parametrize("path", ["plain", "general"])
def test_an_upload_keeps_its_id_to_the_worker(cluster, jpeg, path):
    """Log line, response header, and the event of the sizes that a worker made for it."""
    id_ = ID[:-1] + str(len(path))
    token = cluster.token("upload", "read")
    master = next(iter(cluster.config.masters.values()))
    events = Request(
        f"http://{master.address}/events", headers={"Authorization": f"Bearer {token}"}
    )
    data = jpeg(len(path) + 700, width=2000 if path == "general" else 300)
    extra = {} if path == "plain" else {"Idempotency_Key": path}
    with urlopen(events, timeout=60) as stream:
        with post(cluster, data, token, X_Request_Id=id_, **extra) as response:
            assert response.headers["X-Request-Id"] == id_
            receipt = json.load(response)
        reference = "{volume}/{photo}/{version}".format(**receipt)
        line = wait_for_line(cluster, master.id, id_)
        assert "POST /photos 201 in" in line
        assert f"reference={reference}" in line
        assert "caller=default/" in line
        for raw in stream:
            if raw.startswith(b"data: {") and json.loads(raw[6:]).get("photo") in reference:
                assert json.loads(raw[6:])["request_id"] == id_
                break


def test_a_problem_has_the_id_of_its_log_line(cluster):
    """Also on the fast path, and in the header."""
    with pytest.raises(Exception, match="415") as refused:
        post(cluster, b"no photo", cluster.token("upload"))
    problem = json.load(refused.value)
    assert re.fullmatch("[0-9a-f]{32}", problem["request_id"])
    assert refused.value.headers["X-Request-Id"] == problem["request_id"]
    master = next(iter(cluster.config.masters))
    wait_for_line(cluster, master, problem["request_id"], "POST /photos 415")


def test_an_edge_passes_its_id_to_the_node(cluster, jpeg):
    """The node that finds a corrupt copy logs the id that the viewer got."""
    with cluster.client() as client:
        receipt = client.put(jpeg(731), volume=1)
        urls = client.wait_until_ready(receipt.reference, timeout_seconds=60).urls
    node = cluster.config.nodes["east-1"]
    path = re.sub(r"\.a\..*\.", ".", urlsplit(urls["m"]).path)
    (file,) = Path(node.store).glob(path.lstrip("/"))
    file.chmod(0o600)
    with file.open("r+b") as copy:
        copy.seek(100)
        copy.write(b"corrupt")
    status, headers, _ = fetch(cluster, "east-nginx", urls["m"])
    assert status == 200
    wait_for_line(cluster, node.id, headers["X-Request-Id"], "GET /{path} 502")


def attack(address, lines):
    """Send a request as it is, and read what comes."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((address.host, address.port), timeout=5) as connection,
    ):
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def test_no_log_has_a_secret(cluster, shared_photo):
    """Whatever a client puts where, and although every request here is refused or malformed."""
    _, _, status = shared_photo
    keys = load_keys(cluster.data / "keys.toml")
    url = urlsplit(status.urls["m"]).path
    token = sign_new_token(keys, ["upload"])
    ticket = cluster.cli("ticket").stdout.strip()
    assert ticket.startswith("gt1.")
    config = cluster.config
    with urlopen(
        Request(
            f"http://{next(iter(config.masters.values())).address}/uploads",
            b"",
            {
                "Authorization": f"Bearer {token}",
                "Tus-Resumable": "1.0.0",
                "Upload-Length": "1000",
            },
        ),
        timeout=30,
    ) as response:
        upload = response.headers["Location"]
    secrets = [url, token, ticket, upload]
    addresses = [
        *(port for node in config.nodes.values() for port in (node.read, node.write)),
        *(master.address for master in config.masters.values()),
        *(edge.listen for edge in config.edges.values()),
        *(ingest.listen for ingest in config.ingests.values()),
    ]
    for address, secret in product(addresses, secrets):
        path = f"/{secret.lstrip('/')}"
        for first in (
            f"GET {path} HTTP/1.1",
            f"GET {path[:-7]}x{path[-6:]} HTTP/1.1",
            f"DELETE {path} HTTP/1.1",
            f"POST /photos?token={secret} HTTP/1.1",
            f"GET http://other{path} HTTP/1.1",
            f"GET /%2e%2e{path} HTTP/1.1",
            f"{secret} / HTTP/1.1",
            f"GET {path}",
        ):
            attack(address, [first, "Host: h", "Connection: close"])
        headers = [
            "Authorization: Bearer ",
            "X-Request-Id: ",
            "Referer: ",
            "Glassplate-Signature: ",
        ]
        for header in headers:
            attack(address, ["GET /status HTTP/1.1", "Host: h", f"{header}{secret}"])
        attack(address, ["GET / HTTP/1.1", f"Host: {secret}"])
    assert read_from(cluster, "east-1", f"{url}x") in {400, 403}
    parts = {part for text in secrets for part in re.findall(r"[A-Za-z0-9_-]{24,}", text)}
    parts -= {part for part in parts if part in url and part in re.sub(r"\.a\..*", "", url)}
    leaks = {
        (name, part) for name, text in logs_of(cluster).items() for part in parts if part in text
    }
    assert not leaks
    for name, text in logs_of(cluster, *config.nodes, *config.masters).items():
        assert not re.findall(r"\.[A-Za-z0-9_-]{24}(?![A-Za-z0-9_-])", text), name
