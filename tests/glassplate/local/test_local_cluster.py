"""The start of a local cluster: stage by stage, and in parallel within a stage."""

import asyncio
import os
import signal

import pytest

from glassplate.local import processes
from glassplate.local.cluster import prepare_on_free_ports
from glassplate.local.processes import (
    ProcessFailed,
    ProcessPlan,
    StartFailed,
    SupervisedProcess,
)

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


def test_a_failed_process_stops_no_other(local, process):
    """The processes of its stage and of later ones start; the error has what it logged now."""
    fails = process("fails", ["sh", "-c", "echo it is broken; exit 3"], is_ready=never)
    fails.plan.log.write_text("from an earlier start\n")
    well, later = process("well"), process("later", stage=1)
    started, running = [], []

    async def start():
        try:
            await local.start([well, fails, later], started.append)
        finally:
            running.extend(each.pid is not None for each in (well, fails, later))
            await local.stop([well, fails, later])

    with pytest.raises(StartFailed) as failed:
        asyncio.run(asyncio.wait_for(start(), 20))
    assert running == [True, False, True]
    assert started == ["well", "later"]
    assert failed.value.reasons == {
        "fails": "fails exited with status 3 before it was ready\n"
        f"Last lines of {fails.plan.log}:\nit is broken"
    }


def test_a_program_that_is_missing_stops_no_other(local, process, monkeypatch):
    """The reason has its name."""
    monkeypatch.setattr(processes, "_die_with_parent", list)
    missing, well = process("missing", ["/no/such/program"]), process("well")
    with pytest.raises(StartFailed, match=r"missing: .*No such file"):
        run(local, [missing, well])


async def until(holds):
    """Return when the condition holds."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never was")


def test_a_start_ends_a_loop_of_restarts(local, process, tmp_path, monkeypatch):
    """After the fault is mended, the process runs once, not beside the one of the loop."""
    monkeypatch.setattr(processes, "RESTART_SECONDS_MIN", 0.05)
    mended = tmp_path / "mended"
    argv = ["sh", "-c", f"test -e {mended} && exec sleep 60; exit 1"]

    async def is_mended():
        return mended.exists()

    looping = process("looping", argv, is_ready=is_mended)

    async def mend_and_start():
        mended.touch()
        await local.start([looping])
        mended.unlink()
        os.kill(looping.pid, signal.SIGKILL)
        await until(lambda: looping.restarts > 1)
        mended.touch()
        await local.start([looping])
        restarts, pid = looping.restarts, looping.pid
        await asyncio.sleep(processes.RESTART_SECONDS_MIN * 4)
        assert (looping.restarts, looping.pid) == (restarts, pid)
        await local.stop([looping])

    asyncio.run(asyncio.wait_for(mend_and_start(), 20))


async def never():
    """Never report readiness."""
    return False


def test_a_process_that_is_never_ready_is_stopped(local, process):
    """The error names the timeout, and an empty log is reported as empty."""
    slow = process("slow", is_ready=never, ready_seconds_max=0.1)
    with pytest.raises(
        StartFailed, match=r"not ready after 0.1 s; .*\nIt logged nothing to .*slow"
    ):
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
