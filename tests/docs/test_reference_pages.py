"""docs/cli.md and docs/metrics.md: every command and every metric is listed, and no other."""

import os
import tempfile
from dataclasses import asdict
from datetime import date
from pathlib import Path
from types import SimpleNamespace

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from glassplate.cli.main import SECTIONS
from imageworker.queue.metrics import JobMetrics
from permission_urls import generate_keys
from runtime.clients import ClientLimits, Clients
from storagemaster.events.events import Events
from storagemaster.events.webhooks import Webhooks
from storagemaster.operations.metrics import MasterMetrics
from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.store import DiskStore
from storagenode.partials.held_partials import HeldPartials
from storagenode.protocol.wire import NodeStatus
from storagenode.upkeep.scrub import ScrubProgress
from storagenode.write_port.metrics import NodeMetrics
from tests.docs.pages import codes, read_page, section, tables
from tests.storagenode.tombstones import PROOFS

CLI = read_page("docs/cli.md")
METRICS = read_page("docs/metrics.md")
STATUS = {
    "nodes": [
        {
            "id": "east-1",
            "colo": "east",
            "up": True,
            "read_up": True,
            "reason": "",
            "pending_hints": 0,
            "hints_age_seconds": 0.0,
            "stray_volumes": [],
            "lacking_volumes": [],
            "disagrees_on": [],
            "clock_difference_seconds": 0.0,
            "photos": 0,
            "bytes": 0,
            "fill_share": 0.5,
            "days_to_full": 12.0,
        },
    ],
    "colos": [{"id": "east", "fill_share": 0.5, "days_to_full": 12.0}],
    "masters": [{"id": "m", "colo": "east", "up": True, "disagrees_on": []}],
    "edges": [
        {
            "id": "east-nginx",
            "colo": "east",
            "up": True,
            "purge_up": True,
            "disagrees_on": [],
            "clock_difference_seconds": 0.0,
        }
    ],
    "queues": {"new": 0},
    "oldest_job_seconds": 0,
    "workers_alive": 1,
    "repair": {"steps_left": 0, "bytes_left": 0, "failed_total": 0},
    "alerts": [],
    "pending_hints": 0,
    "waits": [],
    "tls": {"internal": True, "certificates": [{"role": "node", "id": "east-1", "days_left": 29}]},
}
NODE_STATUS = NodeStatus(
    node="east-1",
    uuid="",
    colo="east",
    boot="",
    volumes=(),
    free_bytes=0,
    total_bytes=0,
    accepts_new_photos=True,
    suspect_reason="",
    hints=0,
)


def labels_of(text):
    """Return the labels of each metric in a service's text, by its name in PromQL."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    return found


def node_metrics(clients):
    """Return the metrics of a node with a disk that has failed a write."""
    with tempfile.TemporaryDirectory() as root:
        file_system = DiskFileSystem(Path(root))
        store = DiskStore(file_system, PROOFS)
        store.health.errors["EIO"] += 1
        metrics = NodeMetrics(
            clients,
            store=store,
            partials=SimpleNamespace(held=HeldPartials(()), bytes_max=lambda: 1),
            upkeep=SimpleNamespace(
                scrub_document=lambda: asdict(ScrubProgress()), unverified_seconds=float
            ),
            map_digest=str,
        )
        text = metrics.render(NODE_STATUS)
        file_system.close_root()
        return text


def exported():
    """Return the labels of every metric, by the service that exports it and its name."""
    jobs = JobMetrics()
    with jobs.job("new") as report:
        report("ready")
    clients = Clients(ClientLimits(connections_max=1))
    clients.traffic.series_of("/photos", "POST", 201).record(0.1, 1, 1)
    webhooks = Webhooks({}, None, None, Events("boot"))
    audit = SimpleNamespace(unmirrored_entries=lambda: 0)
    keys = generate_keys(os.urandom).made_on(date(2026, 1, 30))
    master = MasterMetrics(Events("boot"), webhooks, clients, audit, keys)
    texts = {
        "storagemaster": master.render(STATUS),
        "node": node_metrics({"read": clients}),
        "worker": generate_latest(jobs.registry),
    }
    return {
        (service, name): labels
        for service, text in texts.items()
        for name, labels in labels_of(text).items()
        if not name.endswith("_created")
    }


def test_every_command_is_listed():
    """The tables of the page have every command of the command line, and no other."""
    rows = tables(section(CLI, "## Photos"))[0] + tables(section(CLI, "## The cluster"))[0]
    spans = [span for row in rows for span in codes(f"`{row['command']}`")]
    commands = {command.name for part in SECTIONS for command in part.commands}
    assert {span.split()[0] for span in spans} - {"or"} == commands


def test_every_metric_is_listed():
    """The table has each metric of each service."""
    listed = {
        (service, span.partition("{")[0])
        for row in tables(METRICS)[1]
        for span in codes(f"`{row['metric']}`")
        if span.startswith("glassplate_")
        for service in row["service"].split(", ")
    }
    assert listed == set(exported())


def test_the_labels_of_metrics_are_right():
    """A metric has the labels that the table shows in braces."""
    for row in tables(METRICS)[1]:
        for span in codes(f"`{row['metric']}`"):
            name, _, labels = span.rstrip("}").partition("{")
            for service in row["service"].split(", "):
                if labels and (service, name) in exported():
                    assert set(labels.split(",")) == exported()[service, name]
