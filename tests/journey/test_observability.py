"""Every metric that an alert or a panel uses is in a scrape of a running cluster."""

import json
import re
import socket
from urllib.request import Request, urlopen

import yaml
from prometheus_client.parser import text_string_to_metric_families

from glassplate.local.plan import LocalPorts
from runtime.tls.machine_name import Role
from tests.docs.pages import ROOT
from tests.journey.running_cluster import fetch, wait_until
from volumes.machines import PROMETHEUS, own_certificate

FOLDER = ROOT / "deploy" / "observability"
NAME = re.compile(r"glassplate_[a-z0-9_]+")


def scrape(port, token="", context=None):
    """Return the metrics text of one port, over TLS if there is a context."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    scheme = "https" if context else "http"
    request = Request(f"{scheme}://127.0.0.1:{port}/metrics", headers=headers)
    with urlopen(request, timeout=30, context=context) as response:
        return response.read().decode()


def scrape_all(cluster):
    """Return the metrics text of every role, by role."""
    config = cluster.config
    ports = LocalPorts(config.edges["east-nginx"].listen.port)
    token = cluster.token("status")
    # As Prometheus: it knows addresses, and no names of machines.
    monitor = own_certificate(config, Role.MONITOR, PROMETHEUS.id)
    return {
        "storagemaster": scrape(config.masters["east-master"].address.port, token),
        "node": scrape(config.nodes["east-1"].write.port, context=monitor.client),
        "worker": scrape(ports.worker_metrics),
        "edge": scrape(config.edges["east-nginx"].purge.port),
    }


def names_in(text):
    """Return the names of all series that a text declares, as PromQL has them."""
    found = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            found.add(name)
            if kind == "histogram":
                found |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    return found


def used():
    """Return the names of the metrics in every expression."""
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    exprs = [rule["expr"] for group in groups for rule in group["rules"]]
    panels = json.loads((FOLDER / "glassplate.json").read_text())["panels"]
    exprs += [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return {name for expr in exprs for name in NAME.findall(expr)}


def test_every_metric_in_every_expression_exists(cluster, shared_photo):
    """In a real scrape of all roles, which Prometheus' own parser reads."""
    fetch(cluster, "east-nginx", shared_photo[2].urls["m"])
    texts = scrape_all(cluster)
    for text in texts.values():
        assert list(text_string_to_metric_families(text))
    assert used() - set().union(*map(names_in, texts.values())) == set()


def test_uploads_reads_and_fsyncs_are_counted(cluster, jpeg):
    """By route and code at the storagemaster, by kind at the disk, by outcome at the worker."""

    def value(text, name, **labels):
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def counts():
        texts = scrape_all(cluster)
        route = {"route": "/photos", "method": "POST"}
        return [
            value(texts["storagemaster"], "glassplate_http_requests_total", **route, code="201"),
            value(texts["storagemaster"], "glassplate_http_received_bytes_total", **route),
            value(texts["node"], "glassplate_disk_fsync_duration_seconds_count"),
            value(texts["node"], "glassplate_http_requests_total", port="write"),
        ]

    before = counts()
    token = cluster.token("upload")
    address = cluster.config.masters["east-master"].address
    data = jpeg(811, width=200, height=200)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"}
    with urlopen(Request(f"http://{address}/photos?volume=1", data, headers), timeout=30):
        pass
    after = counts()
    assert after[0] == before[0] + 1
    assert after[1] == before[1] + len(data)
    assert after[2] > before[2]
    assert after[3] > before[3]


def test_an_open_request_is_in_progress(cluster):
    """A stream of events is one request until it ends."""
    address = cluster.config.masters["west-master"].address
    token = cluster.token("status", "read")

    def in_progress():
        found = re.findall(r'in_progress\{port="api"\} (\d+)', scrape(address.port, token))
        return int(found[0])

    before = in_progress()
    with socket.create_connection((address.host, address.port)) as stream:
        head = f"GET /events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n"
        stream.sendall(head.encode())
        assert b" 200 " in stream.recv(100)
        assert in_progress() == before + 1
    wait_until("the end of the stream", lambda: in_progress() <= before)
