"""Kept processes: one that dies is started again, and leaves nobody behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from glassplate.local.processes import ProcessPlan, SupervisedProcess

# Its child would outlive it, as a worker of nginx does that loses its master.
PARENT = """
import os, signal, sys, time
child = os.fork()
if child:
    with open(sys.argv[1], "a") as file:
        file.write(f"{child}\\n")
time.sleep(60)
"""


async def at_once():
    """Ready as soon as it is started."""
    return True


def is_there(pid):
    """Whether a process is there, and not only its exit status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


async def until(holds):
    """Return when something is true."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never was")


def test_children_of_a_process_that_was_killed_end_before_the_next_is_started(tmp_path):
    """They have its port: as long as one lives, no next process can listen there."""
    noted = tmp_path / "children"
    argv = [sys.executable, "-c", PARENT, str(noted)]
    plan = ProcessPlan(name="p", colo="", argv=argv, log=tmp_path / "log", is_ready=at_once)

    async def kill_once():
        process = SupervisedProcess(plan)
        await process.start()
        try:
            await until(lambda: noted.exists() and noted.read_text())
            os.kill(process.pid, signal.SIGKILL)
            await until(lambda: process.restarts and process.pid)
            return int(noted.read_text().split()[0])
        finally:
            await process.stop()

    orphan = asyncio.run(asyncio.wait_for(kill_once(), 20))
    assert not is_there(orphan)
