"""Processor time of measured processes, by group and photo."""

import asyncio
import sys
import time

from bench.processor_time import processor_times
from glassplate.local.processes import ProcessPlan, SupervisedProcess

BURN = "import time\nwhile True: sum(range(1000))"


def test_processor_time_of_a_busy_process_grows(tmp_path):
    """Nodes are one group, named after their program."""

    async def measure():
        async def is_ready():
            return True

        argv = [sys.executable, "-c", BURN, "storagenode"]
        plans = [
            ProcessPlan(name=name, colo="", argv=argv, log=tmp_path / name, is_ready=is_ready)
            for name in ("east-1", "west-1")
        ]
        nodes = [SupervisedProcess(plan) for plan in plans]
        for node in nodes:
            await node.start()
        try:
            before = processor_times(nodes)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                await asyncio.sleep(0.05)
                spent = processor_times(nodes).milliseconds_since(before, photos=10)
                if spent["storagenode"] > 0:
                    return spent
        finally:
            for node in nodes:
                await node.stop()

    spent = asyncio.run(measure())
    assert list(spent) == ["storagenode"]
