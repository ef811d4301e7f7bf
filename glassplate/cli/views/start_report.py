"""Output of `glassplate up`: the services, their addresses, and the sample photos.

Lines fit a terminal of 80 columns. URLs, tokens, and paths are on lines of their own and are never
broken, so that they can be copied.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from glassplate.doctor.finding import Finding, Verdict
from glassplate.local.cluster import LocalCluster
from glassplate.local.samples import SampleOutcome
from runtime.quantities import quantity

COLUMNS = 80
READY = "ready"
_KINDS = {"nginx": "nginx edge", "varnish": "Varnish edge"}


def missing_lines(local: LocalCluster) -> Iterator[str]:
    """Yield the servers that are not installed, and the consequence of each."""
    for server in local.missing:
        yield f"{server.name} is not installed:"
        yield f"  {server.consequence}"


def port_lines(local: LocalCluster) -> Iterator[str]:
    """Yield the change of ports, if an existing cluster has moved to others."""
    if local.moved_from_port is not None:
        yield f"This cluster moves from port {local.moved_from_port} to {local.first_port}."
        yield "URLs from before work with the new port. Its config has all ports:"
        yield f"  {local.config_path}"


def failed_lines(reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield the reason for each process that did not start."""
    for reason in reasons.values():
        yield from ("", *reason.splitlines())


def failed_names(reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield which processes did not start, and what to do."""
    if reasons:
        yield ""
    for name in reasons:
        yield f"{name} did not start; the reason is above. When it is removed:"
        yield f"  glassplate node start {name}"


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the failures that the doctor found, or one line without any."""
    failures = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    for finding in failures:
        yield f"{finding.what}: {finding.found}"
        yield f"  {finding.do}"
    if not failures:
        checks = quantity(len(findings), "check")
        yield f"Doctor: {checks}, no failure. `glassplate doctor` shows more."


def welcome_lines(
    local: LocalCluster,
    token: str,
    link: str,
    outcomes: Sequence[SampleOutcome],
    *,
    all_urls: bool,
) -> Iterator[str]:
    """Yield the services, the token, commands to try, and last the address to open."""
    rows = [(process.plan.name, *_service(local, process.plan.name)) for process in local.processes]
    rows.sort(key=lambda row: not row[2].startswith("http"))
    names, kinds = (max(len(row[column]) for row in rows) for column in (0, 1))
    yield ""
    yield from (f"{name:<{names}}  {kind:<{kinds}}  {at}".rstrip() for name, kind, at in rows)
    if outcomes:
        yield ""
        yield from _sample_summary(outcomes, all_urls=all_urls)
    yield ""
    yield "API token for uploads, reads, and deletes:"
    yield f"  TOKEN={token}"
    yield ""
    yield "Config, keys, and logs:"
    yield f"  {local.data}"
    yield ""
    yield "Try in another terminal:"
    if local.config_path != Path("data").resolve() / local.config_path.name:
        yield f"  export GLASSPLATE_CLUSTER={local.config_path}"
    yield "  glassplate status"
    yield "  glassplate colo stop east"
    master = next(iter(local.cluster.masters.values()))
    yield '  curl --data-binary @cat.jpg -H "Authorization: Bearer $TOKEN" \\'
    yield f"    http://{master.address}/photos"
    yield ""
    yield "Ctrl-C stops the cluster. Open the console, signed in (once, within 15 minutes):"
    yield ""
    yield link


def _service(local: LocalCluster, name: str) -> tuple[str, str]:
    """Return the kind of a process, and its address if it has one."""
    cluster = local.cluster
    if edge := cluster.edges.get(name):
        return _KINDS[edge.kind], f"http://{edge.listen}"
    if ingest := cluster.ingests.get(name):
        return "nginx for uploads", f"http://{ingest.listen}"
    if master := cluster.masters.get(name):
        return "storagemaster", f"http://{master.address}"
    for node in cluster.nodes.values():
        if node.id == name:
            return "storage node", f"reads {node.read}, writes {node.write}"
    if name == "valkey":
        return "queue", cluster.queue_url.partition("//")[2].partition("/")[0].rpartition("@")[2]
    if name.startswith("memcached-"):
        return "cache", str(cluster.memcached[int(name.removeprefix("memcached-")) - 1])
    return "image worker", ""


def _sample_summary(outcomes: Sequence[SampleOutcome], *, all_urls: bool) -> Iterator[str]:
    """Yield the sample photos that are not ready, and all with their URLs if they are wanted."""
    if all_urls:
        yield "Sample photos:"
        for outcome in outcomes:
            yield from _wrapped(f"{outcome.name}: {outcome.state}")
            for size, url in outcome.urls.items():
                yield f"  size {size}:"
                yield url
        return
    ready = [outcome for outcome in outcomes if outcome.state == READY]
    yield f"{len(ready)} sample photos are ready: the console shows them (--urls prints the URLs)."
    for outcome in outcomes:
        if outcome.state != READY:
            yield from _wrapped(f"{outcome.name}: {outcome.state}")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS - 2, initial_indent="  ", subsequent_indent="  ")
