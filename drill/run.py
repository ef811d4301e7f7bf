"""One drill: start a cluster, load it, inject faults, wait for convergence, and check."""

import asyncio
import contextlib
import dataclasses
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from drill.checks.checker import check, count_photos
from drill.checks.convergence import (
    find_pending_work,
    read_disks,
    read_from_all_servers,
    wait_until_converged,
)
from drill.checks.copies import CopyCount, watch_copies
from drill.checks.photo_index import index_history
from drill.checks.stalls import detect_stalls
from drill.checks.verdict import GONE_AFTER_HEAL_SECONDS_MAX, Criteria, Verdict
from drill.cluster.drill_cluster import DrillCluster, running_drill_cluster
from drill.faults.evidence import Evidence
from drill.history import SECOND, Operation, now_ns
from drill.load.load import Load
from drill.load.samples import Sample, Sampler
from drill.scenarios.scenario import Scenario, Step
from volumes.cluster import Colo

CONVERGING = "converging"

# Traffic without any repair: both storagemasters compare all mirrors and poll all nodes.
LISTING_BYTES_PER_SECOND = 400_000
LISTING_BYTES_MIN = 2_000_000

Watch = Callable[[str, list[Sample]], None]
"""Callback with the phase of a drill and all samples so far."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of the timeline, in seconds from the start of the load."""

    what: str
    begun: float
    ended: float


@dataclass(slots=True, kw_only=True)
class Drill:
    """Result of one scenario."""

    scenario: Scenario
    seed: int
    evidence: Evidence = field(default_factory=Evidence)
    intervals: list[Interval] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    criteria: Criteria | None = None
    verdict: Verdict | None = None
    failure_reason: str = ""
    """The traceback of the exception that ended the drill early, or empty."""
    begun_ns: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """True if every promise held and every fault is proven to have fired."""
        return (
            not self.failure_reason
            and self.verdict is not None
            and self.verdict.held
            and self.evidence.is_complete
        )


async def run_drill(
    scenario: Scenario, *, seed: int, load_seconds: float, keep_logs: Path | None, watch: Watch
) -> Drill:
    """Run one scenario. An exception of the drill is recorded in the result, not raised."""
    drill = Drill(scenario=scenario, seed=seed)
    begun = time.monotonic()
    watch("starting", drill.samples)
    try:
        async with running_drill_cluster(
            seed=seed,
            load_seconds=load_seconds,
            buckets=scenario.buckets,
            changes_maps=scenario.changes_maps,
            cuts_networks=scenario.cuts_networks,
        ) as drill_cluster:
            drill.operations = drill_cluster.history.operations
            try:
                await _run(drill_cluster, drill, load_seconds, watch)
            finally:
                if keep_logs is not None:
                    await asyncio.to_thread(_keep_logs, drill_cluster, keep_logs)
    except Exception:  # noqa: BLE001  # the campaign continues
        drill.failure_reason = traceback.format_exc()
    drill.seconds = time.monotonic() - begun
    return drill


async def _run(
    drill_cluster: DrillCluster, drill: Drill, load_seconds: float, watch: Watch
) -> None:
    scenario = drill.scenario
    sampler = Sampler(drill_cluster, drill.samples)
    drill.begun_ns = now_ns()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(sampler.running(watch))
        stalls = await stack.enter_async_context(detect_stalls())
        copies = CopyCount()
        if scenario.changes_maps:
            copies = await stack.enter_async_context(watch_copies(drill_cluster))
        async with Load(drill_cluster, scenario.pace, seed=drill.seed).running():
            began_ns = now_ns()
            timeline = [_step(drill_cluster, drill, step, load_seconds) for step in scenario.steps]
            await asyncio.gather(*timeline, asyncio.sleep(load_seconds))
            healed_ns = now_ns()
        pending = await find_pending_work(drill_cluster)
        sent, converging_since = _sent_bytes(drill_cluster), time.monotonic()
        took = await wait_until_converged(drill_cluster, seconds_max=scenario.converge_seconds_max)
        moved = _sent_bytes(drill_cluster) - sent
        converging_seconds = time.monotonic() - converging_since
        drill.intervals.append(_interval(drill, CONVERGING, healed_ns, now_ns()))
    state = await asyncio.to_thread(read_disks, drill_cluster)
    until = healed_ns + int(GONE_AFTER_HEAL_SECONDS_MAX * SECOND)
    responses = await read_from_all_servers(
        drill_cluster, index_history(drill_cluster.history.operations), until_ns=until
    )
    state = dataclasses.replace(state, responses=responses)
    drill.criteria = Criteria(
        began_ns=began_ns,
        healed_ns=healed_ns,
        converged_seconds=took,
        converge_seconds_max=scenario.converge_seconds_max,
        unaffected_edges=frozenset(scenario.unaffected_edges),
        read_success_min=scenario.read_success_min,
        stalls=stalls,
        colo_of=_colos(drill_cluster) if scenario.partitions_colos else {},
        quarantined_max=drill.evidence.damaged_files,
        missing_bytes=pending.missing_bytes,
        moved_bytes=moved,
        copies_watched=scenario.changes_maps,
        shortages=copies.shortages,
        listing_bytes=LISTING_BYTES_MIN + int(converging_seconds * LISTING_BYTES_PER_SECOND),
    )
    drill.verdict = check(drill_cluster.history.operations, state, drill.criteria)
    drill.counts = count_photos(index_history(drill_cluster.history.operations), state)
    drill.counts["machine_stalls"] = len(stalls)


async def _step(drill_cluster: DrillCluster, drill: Drill, step: Step, load_seconds: float) -> None:
    """Inject one fault at its time, and remove it."""
    await asyncio.sleep(step.begins * load_seconds)
    begun = now_ns()
    ends = begun + int((step.ends - step.begins) * load_seconds * SECOND)
    async with step.fault.injected(drill_cluster, drill.evidence):
        await asyncio.sleep(max(0.0, (ends - now_ns()) / SECOND))
    drill.intervals.append(_interval(drill, _describe(step.fault), begun, now_ns()))


def _colos(drill_cluster: DrillCluster) -> dict[str, Colo]:
    """Return the colo of each edge and storagemaster."""
    cluster = drill_cluster.cluster
    edges = {id_: edge.colo for id_, edge in cluster.edges.items()}
    return edges | {id_: master.colo for id_, master in cluster.masters.items()}


def _interval(drill: Drill, what: str, begun_ns: int, ended_ns: int) -> Interval:
    origin = drill.begun_ns
    return Interval(what, (begun_ns - origin) / SECOND, (ended_ns - origin) / SECOND)


def _describe(fault: object) -> str:
    """Return the text of a fault for the timeline: its class and parameters.

    >>> from drill.faults.processes import Down
    >>> _describe(Down(("west-1",)))
    "Down names=('west-1',)"
    """
    return repr(fault).replace("(", " ", 1).removesuffix(")")


def _sent_bytes(drill_cluster: DrillCluster) -> int:
    """Return the number of bytes that all nodes have sent from their write ports."""
    from drill.cluster.tcp_proxy import Direction

    return sum(
        link.proxy.bytes_passed[Direction.CLIENT]
        for link in drill_cluster.links.chosen("*", "*.write")
    )


def _keep_logs(drill_cluster: DrillCluster, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for log in (drill_cluster.local.data / "log").iterdir():
        (folder / log.name).write_bytes(log.read_bytes())
