"""The start of a local cluster: stage by stage, and in parallel within a stage."""

import asyncio
import os
import signal

import pytest

from glassplate.local.cluster import prepare_on_free_ports
from glassplate.local.processes import ProcessFailed, ProcessPlan, SupervisedProcess

SLEEPS = ["sleep", "60"]


@pytest.fixture(name="local")
def _local(tmp_path):
    return prepare_on_free_ports(tmp_path)


@pytest.fixture(name="process")
def _process(tmp_path):
    """Return a function that makes a process: process("a", stage=1, is_ready=...)."""

    def make(name, argv=SLEEPS, *, stage=0, is_ready=at_once, ready_seconds_max=15.0):
        log = tmp_path / f"{name}.log"
        plan = ProcessPlan(name=name, colo="", argv=argv, log=log, is_ready=is_ready, stage=stage)
        return SupervisedProcess(plan, ready_seconds_max=ready_seconds_max)

    return make


async def at_once():
    """Report readiness immediately."""
    return True


def run(local, processes, started=lambda _: None):
    """Start processes, return which of them run, and stop them."""

    async def start_and_stop():
        try:
            await local.start(processes, started)
            return [process.pid is not None for process in processes]
        finally:
            await local.stop(processes)

    return asyncio.run(asyncio.wait_for(start_and_stop(), 20))


def test_processes_of_one_stage_start_in_parallel(local, process):
    """Each process is ready only when the other runs, so a sequential start would fail."""
    both = []

    async def both_run():
        return all(each.pid for each in both)

    both += [process("a", is_ready=both_run), process("b", is_ready=both_run)]
    assert run(local, both) == [True, True]


def test_a_stage_starts_when_the_earlier_one_is_ready(local, process):
    """The callback receives the processes in the order of the stages."""
    checks, started = [], []

    async def at_the_third_check():
        assert later.pid is None
        checks.append("checked")
        return len(checks) == 3

    later = process("later", stage=1)
    earlier = process("earlier", is_ready=at_the_third_check)
    assert run(local, [later, earlier], started.append) == [True, True]
    assert started == ["earlier", "later"]


def test_a_failed_process_ends_the_start(local, process):
    """The error has its log, no later stage starts, and all processes are stopped."""
    fails = process("fails", ["sh", "-c", "echo it is broken; exit 3"], is_ready=never)
    well, later = process("well"), process("later", stage=1)
    started = []
    message = (
        "fails exited with status 3 before it was ready\nLast lines of .*/fails.log:\nit is broken"
    )
    with pytest.raises(ProcessFailed, match=message):
        run(local, [well, fails, later], started.append)
    assert started == ["well"]
    assert not later.plan.log.exists()
    assert [each.pid for each in (well, fails, later)] == [None, None, None]


async def never():
    """Never report readiness."""
    return False


def test_a_process_that_is_never_ready_is_stopped(local, process):
    """The error names the timeout, and an empty log is reported as empty."""
    slow = process("slow", is_ready=never, ready_seconds_max=0.1)
    with pytest.raises(ProcessFailed, match=r"not ready after 0.1 s; .*\n.*slow.log is empty"):
        run(local, [slow])
    assert slow.pid is None


def test_a_stop_ends_a_start(process):
    """The start fails at once, and not only after its timeout."""
    checked = asyncio.Event()

    async def is_never_ready():
        checked.set()
        return False

    async def stop_while_it_starts():
        starting = asyncio.create_task(slow.start())
        await checked.wait()
        await slow.stop()
        await starting

    slow = process("slow", is_ready=is_never_ready)
    with pytest.raises(ProcessFailed, match="slow exited with status -15 before it was ready"):
        asyncio.run(asyncio.wait_for(stop_while_it_starts(), 10))


def test_a_failed_restart_does_not_prevent_a_stop(local, process):
    """The other processes stop although one could not be restarted."""
    lost, other = process("lost"), process("other")

    async def lose_one_and_stop_both():
        await local.start([lost, other])
        lost.plan.log.unlink()
        lost.plan.log.mkdir()
        supervisor = lost._supervisor
        os.kill(lost.pid, signal.SIGKILL)
        await asyncio.wait([supervisor])
        await local.stop([lost, other])
        return supervisor.exception()

    error = asyncio.run(asyncio.wait_for(lose_one_and_stop_both(), 20))
    assert isinstance(error, IsADirectoryError)
    assert (lost.pid, other.pid) == (None, None)
