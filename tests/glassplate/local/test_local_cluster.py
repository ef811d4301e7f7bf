"""Starting the processes of a local cluster: stage by stage, and side by side within each."""

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
    """Makes a process: process("a", stage=1, is_ready=...) -> SupervisedProcess."""

    def make(name, argv=SLEEPS, *, stage=0, is_ready=at_once, ready_seconds_max=15.0):
        log = tmp_path / f"{name}.log"
        plan = ProcessPlan(name=name, colo="", argv=argv, log=log, is_ready=is_ready, stage=stage)
        return SupervisedProcess(plan, ready_seconds_max=ready_seconds_max)

    return make


async def at_once():
    """Ready as soon as it is started."""
    return True


def run(local, processes, started=lambda _: None):
    """Start them, see which run, and stop them."""

    async def start_and_stop():
        try:
            await local.start(processes, started)
            return [process.pid is not None for process in processes]
        finally:
            await local.stop(processes)

    return asyncio.run(asyncio.wait_for(start_and_stop(), 20))


def test_those_of_one_stage_start_side_by_side(local, process):
    """Each is ready only when the other runs, so that one after the other would wait for ever."""
    both = []

    async def both_run():
        return all(each.pid for each in both)

    both += [process("a", is_ready=both_run), process("b", is_ready=both_run)]
    assert run(local, both) == [True, True]


def test_a_stage_starts_when_the_earlier_one_is_ready(local, process):
    """Who starts them hears of each in the order of the stages."""
    asked, heard = [], []

    async def at_the_third_time():
        assert later.pid is None
        asked.append("is it ready?")
        return len(asked) == 3

    later = process("later", stage=1)
    earlier = process("earlier", is_ready=at_the_third_time)
    assert run(local, [later, earlier], heard.append) == [True, True]
    assert heard == ["earlier", "later"]


def test_one_that_fails_ends_the_start_and_all_can_be_stopped(local, process):
    """What is wrong is said of it alone; nothing of a later stage is started."""
    fails = process("fails", ["sh", "-c", "echo it is broken; exit 3"], is_ready=never)
    well, later = process("well"), process("later", stage=1)
    heard = []
    said = "fails ended with status 3 before it was ready. The end of .*/fails.log:\nit is broken"
    with pytest.raises(ProcessFailed, match=said):
        run(local, [well, fails, later], heard.append)
    assert heard == ["well"]
    assert not later.plan.log.exists()
    assert [each.pid for each in (well, fails, later)] == [None, None, None]


async def never():
    """Not ready, however long it is waited for."""
    return False


def test_one_that_is_never_ready_is_stopped_and_not_taken_for_one_that_ended(local, process):
    """A log with nothing in it is said to be empty, and not shown as nothing."""
    slow = process("slow", is_ready=never, ready_seconds_max=0.1)
    with pytest.raises(ProcessFailed, match=r"slow was not ready after 0.1 s, .*slow.log is empty"):
        run(local, [slow])
    assert slow.pid is None


def test_one_that_is_stopped_while_it_starts_is_waited_for_no_longer(process):
    """Who starts it is told at once, and not when the time for it is up."""
    asked = asyncio.Event()

    async def asks_in_vain():
        asked.set()
        return False

    async def stop_while_it_starts():
        starting = asyncio.create_task(slow.start())
        await asked.wait()
        await slow.stop()
        await starting

    slow = process("slow", is_ready=asks_in_vain)
    with pytest.raises(ProcessFailed, match="slow ended with status -15 before it was ready"):
        asyncio.run(asyncio.wait_for(stop_while_it_starts(), 10))


def test_one_that_could_not_be_kept_running_does_not_keep_others_from_being_stopped(local, process):
    """As when somebody has deleted the folder of its data."""
    lost, other = process("lost"), process("other")

    async def lose_one_and_stop_both():
        await local.start([lost, other])
        lost.plan.log.unlink()
        lost.plan.log.mkdir()
        cold_node = lost._cold_node
        os.kill(lost.pid, signal.SIGKILL)
        await asyncio.wait([cold_node])
        await local.stop([lost, other])
        return cold_node.exception()

    error = asyncio.run(asyncio.wait_for(lose_one_and_stop_both(), 20))
    assert isinstance(error, IsADirectoryError)
    assert (lost.pid, other.pid) == (None, None)
