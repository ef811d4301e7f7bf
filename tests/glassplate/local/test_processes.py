"""Supervised processes: a restart after a crash, without orphans."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from glassplate.local.processes import ProcessPlan, SupervisedProcess

# Its child outlives it, like an nginx worker without its master.
PARENT = """
import os, signal, sys, time
child = os.fork()
if child:
    with open(sys.argv[1], "a") as file:
        file.write(f"{child}\\n")
time.sleep(60)
"""


async def at_once():
    """Report readiness immediately."""
    return True


def is_alive(pid):
    """Return True if a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


async def until(holds):
    """Return when the condition holds."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never was")


def test_orphans_end_before_a_restart(tmp_path):
    """Orphaned children hold the port, so they are killed before the restart."""
    pid_file = tmp_path / "children"
    argv = [sys.executable, "-c", PARENT, str(pid_file)]
    plan = ProcessPlan(name="p", colo="", argv=argv, log=tmp_path / "log", is_ready=at_once)

    async def kill_once():
        process = SupervisedProcess(plan)
        await process.start()
        try:
            await until(lambda: pid_file.exists() and pid_file.read_text())
            os.kill(process.pid, signal.SIGKILL)
            await until(lambda: process.restarts and process.pid)
            return int(pid_file.read_text().split()[0])
        finally:
            await process.stop()

    orphan = asyncio.run(asyncio.wait_for(kill_once(), 20))
    assert not is_alive(orphan)
