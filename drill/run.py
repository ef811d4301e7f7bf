"""One drill: a cluster of its own, load, faults with proof, rest, and the verdict."""

import asyncio
import dataclasses
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from drill.checks.checker import check, count_of_sets
from drill.checks.convergence import (
    find_pending_work,
    read_disks,
    read_from_all_servers,
    wait_until_converged,
)
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

# Comparing all mirrors by both storagemasters, and asking all nodes how they are.
LISTING_BYTES_PER_SECOND = 400_000
LISTING_BYTES_MIN = 2_000_000

Watch = Callable[[str, list[Sample]], None]
"""Hears what a drill is at, and what was sampled so far."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Something that began and ended, in seconds from the beginning of the load."""

    what: str
    begun: float
    ended: float


@dataclass(slots=True, kw_only=True)
class Drill:
    """What became of one scenario."""

    scenario: Scenario
    seed: int
    evidence: Evidence = field(default_factory=Evidence)
    marks: list[Interval] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    terms: Criteria | None = None
    verdict: Verdict | None = None
    failure_reason: str = ""
    """The traceback of the exception that ended the drill early, or empty."""
    begun_ns: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every promise held, and every fault was proven to have fired."""
        return (
            not self.failure_reason
            and self.verdict is not None
            and self.verdict.held
            and self.evidence.is_complete
        )


async def run_drill(
    scenario: Scenario, *, seed: int, load_seconds: float, keep_logs: Path | None, watch: Watch
) -> Drill:
    """Drill one scenario; whatever happens, what was found out is returned."""
    drill = Drill(scenario=scenario, seed=seed)
    begun = time.monotonic()
    watch("starting", drill.samples)
    try:
        async with running_drill_cluster(
            seed=seed, has_bucket=scenario.has_bucket
        ) as drill_cluster:
            drill.operations = drill_cluster.history.operations
            try:
                await _run(drill_cluster, drill, load_seconds, watch)
            finally:
                if keep_logs is not None:
                    await asyncio.to_thread(_keep_logs, drill_cluster, keep_logs)
    except Exception:  # noqa: BLE001  # a drill that breaks is a result, and others are to follow
        drill.failure_reason = traceback.format_exc()
    drill.seconds = time.monotonic() - begun
    return drill


async def _run(
    drill_cluster: DrillCluster, drill: Drill, load_seconds: float, watch: Watch
) -> None:
    scenario = drill.scenario
    sampler = Sampler(drill_cluster, drill.samples)
    drill.begun_ns = now_ns()
    async with sampler.running(watch), detect_stalls() as stalls:
        async with Load(drill_cluster, scenario.pace, seed=drill.seed).running():
            began_ns = now_ns()
            timeline = [_step(drill_cluster, drill, step, load_seconds) for step in scenario.steps]
            await asyncio.gather(*timeline, asyncio.sleep(load_seconds))
            healed_ns = now_ns()
        pending = await find_pending_work(drill_cluster)
        sent, rest_begun = _sent_bytes(drill_cluster), time.monotonic()
        took = await wait_until_converged(drill_cluster, seconds_max=scenario.converge_seconds_max)
        moved = _sent_bytes(drill_cluster) - sent
        rested = time.monotonic() - rest_begun
        drill.marks.append(_mark(drill, CONVERGING, healed_ns, now_ns()))
    state = await asyncio.to_thread(read_disks, drill_cluster)
    until = healed_ns + int(GONE_AFTER_HEAL_SECONDS_MAX * SECOND)
    answers = await read_from_all_servers(
        drill_cluster, index_history(drill_cluster.history.operations), until_ns=until
    )
    state = dataclasses.replace(state, answers=answers)
    drill.terms = Criteria(
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
        listing_bytes=LISTING_BYTES_MIN + int(rested * LISTING_BYTES_PER_SECOND),
    )
    drill.verdict = check(drill_cluster.history.operations, state, drill.terms)
    drill.counts = count_of_sets(index_history(drill_cluster.history.operations), state)
    drill.counts["machine_stalls"] = len(stalls)


async def _step(drill_cluster: DrillCluster, drill: Drill, step: Step, load_seconds: float) -> None:
    """Inject one fault in its time, and take it back."""
    await asyncio.sleep(step.begins * load_seconds)
    begun = now_ns()
    ends = begun + int((step.ends - step.begins) * load_seconds * SECOND)
    async with step.fault.injected(drill_cluster, drill.evidence):
        await asyncio.sleep(max(0.0, (ends - now_ns()) / SECOND))
    drill.marks.append(_mark(drill, _words(step.fault), begun, now_ns()))


def _colos(drill_cluster: DrillCluster) -> dict[str, Colo]:
    """The colo of each edge and storagemaster."""
    cluster = drill_cluster.cluster
    edges = {id_: edge.colo for id_, edge in cluster.edges.items()}
    return edges | {id_: master.colo for id_, master in cluster.masters.items()}


def _mark(drill: Drill, what: str, begun_ns: int, ended_ns: int) -> Interval:
    origin = drill.begun_ns
    return Interval(what, (begun_ns - origin) / SECOND, (ended_ns - origin) / SECOND)


def _words(fault: object) -> str:
    """A fault as a line in a picture: its class and what it was given.

    >>> from drill.faults.processes import Down
    >>> _words(Down(("west-1",)))
    "Down names=('west-1',)"
    """
    return repr(fault).replace("(", " ", 1).removesuffix(")")


def _sent_bytes(drill_cluster: DrillCluster) -> int:
    """What all nodes have sent from their write ports so far."""
    from drill.cluster.tcp_proxy import Direction

    return sum(
        link.proxy.bytes_passed[Direction.CLIENT]
        for link in drill_cluster.links.chosen("*", "*.write")
    )


def _keep_logs(drill_cluster: DrillCluster, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for log in (drill_cluster.local.data / "log").iterdir():
        (folder / log.name).write_bytes(log.read_bytes())
