"""One drill: a cluster of its own, load, faults with proof, rest, and the verdict."""

import asyncio
import dataclasses
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from drill.checks.checker import check, count_of_sets
from drill.checks.convergence import ask_everybody, look_for_unrest, read_disks, wait_until_at_rest
from drill.checks.photo_index import tell
from drill.checks.stalls import watching_stalls
from drill.checks.verdict import GONE_AFTER_HEAL_SECONDS_MAX, Terms, Verdict
from drill.cluster.drill_cluster import Drilled, drilled_cluster
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
class Mark:
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
    marks: list[Mark] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    terms: Terms | None = None
    verdict: Verdict | None = None
    trouble: str = ""
    """Why the drill itself did not come to its end."""
    begun_ns: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every promise held, and every fault was proven to have fired."""
        return (
            not self.trouble
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
        async with drilled_cluster(seed=seed, has_bucket=scenario.has_bucket) as drilled:
            drill.operations = drilled.history.operations
            try:
                await _run(drilled, drill, load_seconds, watch)
            finally:
                if keep_logs is not None:
                    await asyncio.to_thread(_keep_logs, drilled, keep_logs)
    except Exception:  # noqa: BLE001  # a drill that breaks is a result, and others are to follow
        drill.trouble = traceback.format_exc()
    drill.seconds = time.monotonic() - begun
    return drill


async def _run(drilled: Drilled, drill: Drill, load_seconds: float, watch: Watch) -> None:
    scenario = drill.scenario
    sampler = Sampler(drilled, drill.samples)
    drill.begun_ns = now_ns()
    async with sampler.running(watch), watching_stalls() as stalls:
        async with Load(drilled, scenario.pace, seed=drill.seed).running():
            began_ns = now_ns()
            timeline = [_step(drilled, drill, step, load_seconds) for step in scenario.steps]
            await asyncio.gather(*timeline, asyncio.sleep(load_seconds))
            healed_ns = now_ns()
        unrest = await look_for_unrest(drilled)
        sent, rest_begun = _sent_bytes(drilled), time.monotonic()
        took = await wait_until_at_rest(drilled, seconds_max=scenario.converge_seconds_max)
        moved = _sent_bytes(drilled) - sent
        rested = time.monotonic() - rest_begun
        drill.marks.append(_mark(drill, CONVERGING, healed_ns, now_ns()))
    state = await asyncio.to_thread(read_disks, drilled)
    until = healed_ns + int(GONE_AFTER_HEAL_SECONDS_MAX * SECOND)
    answers = await ask_everybody(drilled, tell(drilled.history.operations), until_ns=until)
    state = dataclasses.replace(state, answers=answers)
    drill.terms = Terms(
        began_ns=began_ns,
        healed_ns=healed_ns,
        converged_seconds=took,
        converge_seconds_max=scenario.converge_seconds_max,
        edges_spared=frozenset(scenario.edges_spared),
        reads_ok_min=scenario.reads_ok_min,
        stalls=stalls,
        colo_of=_colos(drilled) if scenario.keeps_colos_apart else {},
        quarantined_max=drill.evidence.damaged_files,
        missing_bytes=unrest.missing_bytes,
        moved_bytes=moved,
        listing_bytes=LISTING_BYTES_MIN + int(rested * LISTING_BYTES_PER_SECOND),
    )
    drill.verdict = check(drilled.history.operations, state, drill.terms)
    drill.counts = count_of_sets(tell(drilled.history.operations), state)
    drill.counts["stalls_of_the_machine"] = len(stalls)


async def _step(drilled: Drilled, drill: Drill, step: Step, load_seconds: float) -> None:
    """Inject one fault in its time, and take it back."""
    await asyncio.sleep(step.begins * load_seconds)
    begun = now_ns()
    ends = begun + int((step.ends - step.begins) * load_seconds * SECOND)
    async with step.fault.at_work(drilled, drill.evidence):
        await asyncio.sleep(max(0.0, (ends - now_ns()) / SECOND))
    drill.marks.append(_mark(drill, _words(step.fault), begun, now_ns()))


def _colos(drilled: Drilled) -> dict[str, Colo]:
    """The colo of each edge and storagemaster."""
    cluster = drilled.cluster
    edges = {id_: edge.colo for id_, edge in cluster.edges.items()}
    return edges | {id_: master.colo for id_, master in cluster.masters.items()}


def _mark(drill: Drill, what: str, begun_ns: int, ended_ns: int) -> Mark:
    origin = drill.begun_ns
    return Mark(what, (begun_ns - origin) / SECOND, (ended_ns - origin) / SECOND)


def _words(fault: object) -> str:
    """A fault as a line in a picture: its class and what it was given.

    >>> from drill.faults.processes import Down
    >>> _words(Down(("west-1",)))
    "Down names=('west-1',)"
    """
    return repr(fault).replace("(", " ", 1).removesuffix(")")


def _sent_bytes(drilled: Drilled) -> int:
    """What all nodes have sent from their write ports so far."""
    from drill.cluster.tcp_proxy import Towards

    return sum(
        link.proxy.bytes_passed[Towards.CLIENT] for link in drilled.links.chosen("*", "*.write")
    )


def _keep_logs(drilled: Drilled, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for log in (drilled.local.data / "log").iterdir():
        (folder / log.name).write_bytes(log.read_bytes())
