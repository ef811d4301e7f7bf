"""Strings similar to permission URLs get the same verdict from edges as from Python."""

import itertools
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from permission_urls import Forbidden, MalformedUrl, Verifier
from tests.permission_urls import reference_verifier
from tests.permission_urls.url_source import UrlSource
from tests.proxy_config.edge_requests import READ_KEYS, SIZE_CLASSES

SEED = 4
TARGETS = 100_000
CONNECTIONS = 2
PIPELINED = 64
ANSWER_SECONDS = 30.0
# 404 and 503: the permission is valid, but no node has the photo, or the volume.
STATUSES = {"ok": {b"200", b"404", b"503"}, "400": {b"400"}, "403": {b"403"}}


@pytest.fixture(name="judged", scope="module")
def _judged(targets):
    """Return targets for a request line, with Python's verdicts."""
    print(f"seed {SEED}")  # noqa: T201 - a failure must be repeatable
    source = UrlSource(
        seed=SEED,
        reference=reference_verifier,
        read_keys={id_: bytes.fromhex(key) for id_, key in READ_KEYS.items()},
        size_classes=SIZE_CLASSES,
        # A URL that expires soon could expire between the two verdicts.
        now=int(time.time()) + 86_400,
    )
    verifier = Verifier(targets.keys, SIZE_CLASSES)
    raws = [
        raw
        for make in (source.mutations, source.recombinations)
        for raw in itertools.islice(
            filter(fits_request_line, map(encoded, make(TARGETS))), TARGETS // 2
        )
    ]
    return [(raw, verdict_of(verifier, raw)) for raw in raws]


def encoded(target):
    """Return a target's bytes."""
    return target.encode("latin-1")


def fits_request_line(raw):
    """Return True if the target can be sent in a request line unchanged, and needs a permission."""
    return raw.startswith(b"/") and raw != b"/" and min(raw) > 0x20 and 0x7F not in raw


def verdict_of(verifier, raw):
    """Return the key of `STATUSES` for a target."""
    try:
        verifier.verify(raw, time.time())
    except MalformedUrl:
        return "400"
    except Forbidden:
        return "403"
    return "ok"


@pytest.mark.parametrize("target", ["nginx", "varnish"])
def test_an_edge_agrees_with_python_on_every_string(targets, judged, target):
    """A hundred thousand strings get the same verdict, and every verdict occurs often."""
    address = targets.address(target)
    # nginx closes the connection after a 400, which would lose the pipelined requests.
    ordered = sorted(judged, key=lambda each: each[1])
    shares = [ordered[start::CONNECTIONS] for start in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        answered = threads.map(
            lambda share: statuses_of(address, [raw for raw, _ in share]), shares
        )
        statuses = [list(each) for each in answered]
    counts = Counter()
    for share, got in zip(shares, statuses, strict=True):
        for (raw, verdict), status in zip(share, got, strict=True):
            assert status in STATUSES[verdict], (raw, verdict, status)
            counts[verdict] += 1
    print(dict(counts))  # noqa: T201 - shows what the targets were worth
    assert counts.total() == TARGETS
    assert min(counts[verdict] for verdict in STATUSES) > TARGETS // 50


def statuses_of(address, raws):
    """Return the status of each target, requested in a pipeline."""
    done = 0
    pipelined = 1
    while done < len(raws):
        with socket.create_connection((address.host, address.port), ANSWER_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            closed = False
            while done < len(raws) and not closed:
                batch = raws[done : done + pipelined]
                got, closed = send_all(connection, batch)
                yield from got
                done += len(got)
                pipelined = PIPELINED if len(got) == len(batch) and not closed else 1


def send_all(connection, raws):
    """Return the statuses of pipelined HEAD requests, and whether the connection has ended."""
    connection.sendall(b"".join(b"HEAD %b HTTP/1.1\r\nHost: x\r\n\r\n" % raw for raw in raws))
    received = b""
    while received.count(b"\r\n\r\n") < len(raws):
        chunk = connection.recv(65536)
        if not chunk:
            break
        received += chunk
    heads = received.split(b"\r\n\r\n")[:-1]
    closed = len(heads) < len(raws) or b"connection: close" in heads[-1].lower()
    return [head.split(b" ", 2)[1] for head in heads], closed
