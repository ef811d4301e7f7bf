"""Alerts name what the operator must fix, and metrics have the values of the status."""

import os
from dataclasses import asdict
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from permission_urls import Key, KeyRing, KeyState, Purpose, generate_keys
from runtime.clients import ClientLimits, Clients, Offense
from storagemaster.events.events import Event, Events
from storagemaster.events.webhooks import Webhooks
from storagemaster.operations.alerts import (
    OLDEST_JOB_SECONDS_MAX,
    clock_alerts,
    disagreement_alerts,
    node_alerts,
    queue_alerts,
)
from storagemaster.operations.disagreements import GRACE_SECONDS, Disagreements, Process
from storagemaster.operations.metrics import MasterMetrics
from storagenode.protocol.agreement import Agreed
from storagenode.protocol.wire import NodeStatus
from storagenode.upkeep.scrub import ScrubProgress
from storagenode.write_port.metrics import NodeMetrics

KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32)), state=KeyState.SIGNING),))
CLIENTS = Clients(ClientLimits(connections_max=1))


def alerts(depths, *, workers_alive=1, oldest_job_seconds=0.0):
    """Return the alerts of a healthy cluster with these differences."""
    return queue_alerts(depths, workers_alive=workers_alive, oldest_job_seconds=oldest_job_seconds)


def test_a_healthy_queue_has_no_alert():
    """Waiting jobs are normal."""
    assert alerts({"new": 0}) == []
    assert alerts({"new": 9}, oldest_job_seconds=OLDEST_JOB_SECONDS_MAX) == []


def test_missing_workers_are_an_alert_with_the_number_of_jobs():
    """There is an alert even without waiting jobs."""
    (alert,) = alerts({"new": 3, "retry": 1}, workers_alive=0)
    assert alert == "no worker is alive: no sizes are made, and 4 jobs wait"
    assert alerts({"new": 0}, workers_alive=0) != []


def test_an_old_job_is_an_alert():
    """The workers are alive but too slow."""
    (alert,) = alerts({"new": 3}, oldest_job_seconds=600)
    assert "600 s" in alert


def test_an_unavailable_queue_is_the_only_alert():
    """Nothing behind it is known."""
    (alert,) = alerts(None, workers_alive=None, oldest_job_seconds=None)
    assert "the queue is unavailable" in alert


NODE = {
    "id": "a",
    "up": True,
    "reason": "",
    "accepts_new_photos": True,
    "free_bytes": 9,
    "fallen_fences": [],
    "unverified_seconds": 29 * 86400.0,
}


def test_a_suspect_disk_is_an_alert_with_its_reason():
    """One failed fsync is enough."""
    (alert,) = node_alerts([NODE, {**NODE, "reason": "fsync: EIO"}])
    assert alert == "node a takes no writes: fsync: EIO"


def test_files_that_no_scrub_reads_are_an_alert():
    """The disk is too large for its budget, or the scrub does not advance."""
    (alert,) = node_alerts([NODE, {**NODE, "unverified_seconds": 31 * 86400.0}])
    assert "not read for 31 days: raise limits.scrub_bytes_per_second" in alert
    assert node_alerts([{**NODE, "unverified_seconds": None}]) == []


def test_a_disk_above_its_soft_limit_is_an_alert():
    """Sizes and repairs still fit."""
    (alert,) = node_alerts([{**NODE, "accepts_new_photos": False}])
    assert alert == "node a takes no new photos: only 9 bytes are free"


def test_a_node_that_is_down_has_no_disk_alert():
    """The status already shows the node as down."""
    assert node_alerts([{**NODE, "up": False, "reason": "no response"}]) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, None),
        (0.0, None),
        (1.9, None),
        (-1.9, None),
        (2.0, "2 s ahead of"),
        (-2.0, "2 s behind"),
        (-299.6, "300 s behind"),
    ],
)
def test_a_clock_that_differs_is_an_alert(seconds, words):
    """A node or an edge, long before signed requests fail."""
    machine = {"id": "a", "clock_difference_seconds": seconds}
    found = [*clock_alerts([machine], []), *clock_alerts([], [machine])]
    assert len(found) == (0 if words is None else 2)
    for kind, alert in zip(("node", "edge"), found, strict=False):
        assert alert.startswith(f"the clock of {kind} a is {words} that of this storagemaster")
        assert "signed requests fail at 300 s" in alert


OWN = Agreed(map="a", keys="b", tls="on")
EDGE = Process("edge", "east-nginx")


def test_a_difference_counts_when_it_lasts():
    """A change reaches all processes within seconds, and a new difference waits again."""
    seen = Disagreements()
    other = {EDGE: Agreed(map="x", keys="b", tls="on")}
    assert seen.observe(0.0, OWN, other) == {EDGE: []}
    assert seen.observe(GRACE_SECONDS, OWN, other) == {EDGE: ["map"]}
    assert seen.observe(GRACE_SECONDS, OWN, {EDGE: OWN}) == {EDGE: []}
    assert seen.observe(GRACE_SECONDS, OWN, other) == {EDGE: []}


def test_what_a_process_does_not_say_is_no_difference():
    """A worker says nothing of keys, and a process that is down nothing at all."""
    seen = Disagreements()
    silent = {Process("worker", "w"): Agreed(map="a"), EDGE: Agreed()}
    seen.observe(0.0, OWN, silent)
    assert seen.observe(GRACE_SECONDS, OWN, silent) == {process: [] for process in silent}


def test_an_edge_says_nothing_of_tls():
    """A node with another mode does."""
    edge, node = Agreed(map="a", keys="b"), Agreed(map="a", keys="b", tls="off")
    assert (OWN.differences(edge), OWN.differences(node)) == ((), ("tls",))


def test_another_map_and_other_keys_are_alerts_with_what_to_do():
    """An edge is rendered again; another process gets the same files."""
    node, silent, master = Process("node", "e"), Process("node", "b"), Process("master", "m1")
    of_edge, of_node, of_keys, of_tls = disagreement_alerts(
        {EDGE: ["map"], node: ["map", "keys"], silent: [], master: ["tls"]}
    )
    assert of_edge.startswith("edge east-nginx has another volume map than this storagemaster")
    assert "glassplate proxy-config" in of_edge
    assert "give both the same cluster.toml" in of_node
    assert "docs/keys.md" in of_keys
    assert of_tls.startswith("master m1 has another [tls] internal than this storagemaster")


STATUS = {
    "nodes": [
        {
            "id": "east-1",
            "colo": "east",
            "up": True,
            "read_up": True,
            "reason": "EIO",
            "pending_hints": 3,
            "hints_age_seconds": 90.0,
            "stray_volumes": [7, 8],
            "lacking_volumes": [9],
            "disagrees_on": [],
            "clock_difference_seconds": -4.5,
            "photos": 7,
            "bytes": 800,
            "fill_share": 0.5,
            "days_to_full": 12.0,
        },
        {
            "id": "west-1",
            "colo": "west",
            "up": False,
            "read_up": False,
            "reason": "",
            "pending_hints": None,
            "hints_age_seconds": None,
            "stray_volumes": [],
            "lacking_volumes": [],
            "disagrees_on": [],
            "clock_difference_seconds": None,
            "photos": None,
            "bytes": None,
            "fill_share": None,
            "days_to_full": None,
        },
    ],
    "colos": [{"id": "east", "fill_share": 0.5, "days_to_full": 12.0}],
    "masters": [{"id": "m", "colo": "east", "up": True, "disagrees_on": []}],
    "edges": [
        {
            "id": "e",
            "colo": "east",
            "up": True,
            "purge_up": False,
            "disagrees_on": ["keys"],
            "clock_difference_seconds": 3.0,
        }
    ],
    "queues": {"new": 2, "retry": 0},
    "workers_alive": 1,
    "oldest_job_seconds": 12.5,
    "repair": {"steps_left": 4, "bytes_left": 9, "failed_total": 1},
    "alerts": ["no"],
    "pending_hints": 3,
    "waits": [{"volumes": [1, 2], "for": "a"}, {"volumes": [3], "for": "b"}],
    "tls": {"internal": True, "certificates": [{"role": "node", "id": "east-1", "days_left": 29}]},
}


NOW = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


def samples(text):
    """Return the values of a metrics text by name and labels."""
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def metrics_of(status, *events):
    """Return the metrics of a storagemaster that has published some events."""
    hub = Events("boot")
    audit = SimpleNamespace(unmirrored_entries=lambda: 5)
    keys = generate_keys(os.urandom).made_on(date(2026, 1, 30))
    keys = keys.with_ring(Purpose.TOKEN, generate_keys(os.urandom).ring(Purpose.TOKEN))
    metrics = MasterMetrics(
        hub, Webhooks({}, None, KEYS, hub), CLIENTS, audit, keys, now_seconds=lambda: NOW
    )
    for state in events:
        hub.publish(Event(volume=1, photo="01jd3x8m2c9qp4k7", version="3fz8qd", state=state))
    return samples(metrics.render(status))


def test_metrics_have_the_values_of_the_status():
    """The metrics cover nodes, hints, jobs by queue, workers, repairs, and alerts."""
    found = metrics_of(STATUS, "ready", "ready", "failed")
    assert found["glassplate_node_up", "east", "east-1"] == 1
    assert found["glassplate_node_up", "west", "west-1"] == 0
    assert found["glassplate_node_readable", "east", "east-1"] == 1
    assert found["glassplate_node_readable", "west", "west-1"] == 0
    assert found["glassplate_edge_up", "e", "east", "listen"] == 1
    assert found["glassplate_edge_up", "e", "east", "purge"] == 0
    assert found["glassplate_clock_difference_seconds", "east", "east-1", "node"] == -4.5
    assert found["glassplate_clock_difference_seconds", "e", "east", "edge"] == 3
    assert found["glassplate_certificate_days_left", "east-1", "node"] == 29
    assert ("glassplate_clock_difference_seconds", "node", "west", "west-1") not in found
    assert found["glassplate_pending_hints", "east", "east-1"] == 3
    assert found["glassplate_oldest_hint_age_seconds", "east", "east-1"] == 90
    assert found["glassplate_under_mirrored_files",] == 3 + 4 + 1
    assert ("glassplate_pending_hints", "west", "west-1") not in found
    assert found["glassplate_node_photos", "east", "east-1"] == 7
    assert found["glassplate_node_stored_bytes", "east", "east-1"] == 800
    assert ("glassplate_node_photos", "west", "west-1") not in found
    assert found["glassplate_node_stray_volumes", "east", "east-1"] == 2
    assert found["glassplate_node_lacking_volumes", "east", "east-1"] == 1
    assert found["glassplate_disagreement", "e", "edge", "keys"] == 1
    assert found["glassplate_disagreement", "e", "edge", "map"] == 0
    assert found["glassplate_disagreement", "m", "map", "master"] == 0
    assert found["glassplate_node_suspect", "east", "east-1"] == 1
    assert ("glassplate_node_suspect", "west", "west-1") not in found
    assert found["glassplate_jobs_waiting", "new"] == 2
    assert found["glassplate_oldest_job_age_seconds",] == 12.5
    assert found["glassplate_workers_alive",] == 1
    assert found["glassplate_alerts",] == 1
    assert found["glassplate_waiting_volumes",] == 3
    assert found["glassplate_repair_steps_left",] == 4
    assert found["glassplate_repair_failed_steps",] == 1
    assert found["glassplate_photos_total", "ready"] == 2
    assert found["glassplate_photos_total", "failed"] == 1


def test_the_age_of_keys_and_the_waiting_audit_entries_have_metrics():
    """A key without a recorded day has no age, and one that is never rotated needs none."""
    found = metrics_of(STATUS)
    assert found["glassplate_key_age_seconds", "read"] == 1.5 * 86400
    assert ("glassplate_key_age_seconds", "token") not in found
    assert ("glassplate_key_age_seconds", "photo-id") not in found
    assert found["glassplate_audit_unmirrored_entries",] == 5


def test_unknown_values_have_no_metric():
    """Unknown is not zero."""
    unknown = {**STATUS, "queues": None, "workers_alive": None, "oldest_job_seconds": None}
    found = metrics_of(unknown)
    assert found["glassplate_queue_reachable",] == 0
    assert not any("jobs" in name[0] or "workers" in name[0] for name in found)


def test_a_node_has_the_metrics_of_its_status():
    """Storagemasters receive the same values."""
    status = NodeStatus(
        node="east-1",
        uuid="",
        colo="east",
        boot="",
        volumes=(1, 2),
        free_bytes=5,
        total_bytes=9,
        accepts_new_photos=True,
        suspect_reason="",
        hints=4,
    )
    progress = ScrubProgress(completed_seconds=40.0, corrupt=["3/k7/x.jpg"])
    metrics = NodeMetrics(
        {"read": CLIENTS, "write": CLIENTS},
        store=None,
        partials=None,
        upkeep=SimpleNamespace(
            scrub_document=lambda: asdict(progress), unverified_seconds=lambda: 60.0
        ),
        map_digest=str,
    )
    found = samples(metrics.render(status))
    assert found["glassplate_oldest_unverified_seconds",] == 60
    assert found["glassplate_scrub_corrupt_files",] == 1
    assert found["glassplate_node_free_bytes", "east", "east-1"] == 5
    assert found["glassplate_node_pending_hints", "east", "east-1"] == 4
    assert found["glassplate_node_suspect", "east", "east-1"] == 0
    assert found["glassplate_connections", "write"] == 0


@pytest.mark.parametrize("offense", Offense)
def test_each_kind_of_rejection_has_a_metric(monkeypatch, offense):
    """For each port; all kinds are exported from the start."""
    monkeypatch.setitem(CLIENTS.rejected, offense, 3)
    found = metrics_of(STATUS)
    for each in Offense:
        value = found["glassplate_rejected_connections_total", "api", each.value]
        assert value == (3 if each is offense else 0)
