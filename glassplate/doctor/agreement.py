"""Pure checks of the state that processes report: it must agree with this config."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from glassplate.doctor.finding import Finding, fail, ok, warn
from runtime.quantities import quantity
from storagenode.protocol.agreement import Agreed

CLOCK_SECONDS_MAX = 2.0
FSYNC_SECONDS_MAX = 0.25
CONNECTIONS_MIN = 1000
CERTIFICATE_DAYS = 30
_SAMPLE = re.compile(r"^(glassplate_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Samples = Mapping[str, list[tuple[dict[str, str], float]]]


def parse_samples(text: str) -> Samples:
    """Return labels and value of each sample of a metrics text, by its name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for name, labels, value in _SAMPLE.findall(text):
        found.setdefault(name, []).append((dict(_LABEL.findall(labels)), float(value)))
    return found


def check_version(process: str, samples: Samples, *, version: str) -> Iterator[Finding]:
    """Yield whether a process runs this version."""
    for labels, _ in samples.get("glassplate_process_info", []):
        what = f"{process} has version {version}"
        if labels["version"] == version:
            yield ok(f"version/{process}", what)
        else:
            found = f"it has version {labels['version']}"
            yield warn(f"version/{process}", what, found, "upgrade it: docs/deploy.md")


def check_agreed(process: str, found: Agreed, own: Agreed, *, is_edge: bool) -> Iterator[Finding]:
    """Yield whether a process has this volume map, these keys for photo URLs, and this TLS mode."""
    do_map = "copy cluster.toml to its machine and restart it"
    do_keys = "give it the key file of this machine; see docs/keys.md"
    if is_edge:
        do_map = "run glassplate proxy-config for it again, or with --watch"
        do_keys = "export the read keys to its machine, then run glassplate proxy-config again"
    for id_, what, theirs, wanted, do in (
        ("map", f"{process} has this volume map", found.map, own.map, do_map),
        ("url-keys", f"{process} has these keys for photo URLs", found.keys, own.keys, do_keys),
    ):
        if theirs == wanted:
            yield ok(f"{id_}/{process}", what)
        else:
            yield fail(f"{id_}/{process}", what, f"its digest is {theirs or 'unknown'}", do)
    if found.tls not in ("", own.tls):
        what = f"{process} has this [tls] internal"
        yield fail(f"tls/{process}", what, f"it has {found.tls}", do_map)


def check_limits(process: str, samples: Samples) -> Iterator[Finding]:
    """Yield whether a process may open enough connections."""
    for labels, value in samples.get("glassplate_connections_max", []):
        id_, what = (
            f"open-files/{process}/{labels['port']}",
            f"{process} accepts {CONNECTIONS_MIN} connections on its {labels['port']} port",
        )
        if value >= CONNECTIONS_MIN:
            yield ok(id_, what)
        else:
            do = "raise its limit of open files, such as LimitNOFILE=65536 of its unit"
            yield warn(id_, what, f"at most {value:.0f}", do)


def check_fsyncs(node: str, samples: Samples) -> Iterator[Finding]:
    """Yield whether the disk of a node syncs fast, from the durations that the node measured."""
    name = "glassplate_disk_fsync_duration_seconds"
    counts: dict[str, float] = {}
    for labels, value in samples.get(f"{name}_bucket", []):
        counts[labels["le"]] = counts.get(labels["le"], 0) + value
    total = counts.get("+Inf", 0)
    if not total:
        return
    fast = max(
        (n for le, n in counts.items() if le != "+Inf" and float(le) <= FSYNC_SECONDS_MAX),
        default=0,
    )
    what = f"99 % of the fsyncs of {node} take at most {FSYNC_SECONDS_MAX * 1000:.0f} ms"
    if fast >= 0.99 * total:
        yield ok(f"fsync/{node}", what)
    else:
        found = f"{100 * (1 - fast / total):.0f} % of {total:.0f} take longer"
        yield warn(f"fsync/{node}", what, found, "see FsyncSlow in docs/runbook.md")


def check_status(status: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what the status of a storagemaster says about nodes, edges, clocks, and the queue."""
    for node in status["nodes"]:
        id_ = node["id"]
        what = f"node {id_} is up, on both ports"
        if not node["up"]:
            do = "start the node; see NodeDown in docs/runbook.md"
            yield fail(f"node/{id_}", what, node["reason"] or "it is down", do)
        elif not node["read_up"]:
            do = "open its read port to the edges"
            yield fail(f"node/{id_}", what, "its read port does not respond", do)
        elif node["reason"]:
            do = "see DiskSuspect in docs/runbook.md"
            yield fail(f"node/{id_}", what, f"it takes no writes: {node['reason']}", do)
        else:
            yield ok(f"node/{id_}", what)
        if node["fenced_volumes"]:
            waiting = len(node["fenced_volumes"])
            found = f"{quantity(waiting, 'volume waits', 'volumes wait')} for tombstones"
            do = "start the other mirrors, so that it can compare tombstones"
            yield warn(f"fence/{id_}", f"node {id_} serves all its volumes", found, do)
    for edge in status["edges"]:
        what, is_up = f"edge {edge['id']} is up, on both ports", edge["up"] and edge["purge_up"]
        port = "purge" if edge["up"] else "listen"
        do = "start the edge; see EdgeDown in docs/runbook.md"
        yield (
            ok(f"edge/{edge['id']}", what)
            if is_up
            else fail(f"edge/{edge['id']}", what, f"its {port} port does not respond", do)
        )
    for machine in (*status["nodes"], *status["edges"]):
        seconds = machine["clock_difference_seconds"]
        if seconds is None:
            continue
        what = f"the clock of {machine['id']} differs by less than {CLOCK_SECONDS_MAX:.0f} s"
        if abs(seconds) < CLOCK_SECONDS_MAX:
            yield ok(f"clock/{machine['id']}", what)
        else:
            do = "start the time synchronization of its machine"
            yield fail(f"clock/{machine['id']}", what, f"it differs by {seconds:.1f} s", do)
    yield from _check_certificates(status)
    yield from _check_work(status)


def _check_certificates(status: Mapping[str, Any]) -> Iterator[Finding]:
    for each in status["tls"]["certificates"]:
        id_, what = f"{each['role']}/{each['id']}", f"of {each['role']} {each['id']}"
        what, days = f"the certificate {what} is valid for 30 days", each["days_left"]
        do = "run glassplate certs renew, and copy the file to its machine"
        if each["role"] in {"queue", "cache"}:
            do += f"; then restart {each['id']}"
        if days >= CERTIFICATE_DAYS:
            yield ok(f"certificate/{id_}", what)
        elif days >= 0:
            yield warn(f"certificate/{id_}", what, f"it ends in {days} days", do)
        else:
            yield fail(f"certificate/{id_}", what, "it has ended", do)


def _check_work(status: Mapping[str, Any]) -> Iterator[Finding]:
    what = "the queue has live workers"
    if status["queues"] is None:
        do = "start Valkey; see QueueDown in docs/runbook.md"
        yield fail("workers", what, "the storagemaster does not reach the queue", do)
    elif not status["workers_alive"]:
        do = "start python -m imageworker; see NoWorker in docs/runbook.md"
        yield fail("workers", what, "no worker is alive", do)
    else:
        yield ok("workers", what, quantity(status["workers_alive"], "worker"))
    for alert in status["alerts"]:
        yield warn("alert", "the storagemaster has no alert", alert, "see docs/runbook.md")
