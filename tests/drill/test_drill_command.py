"""`glassplate drill` as it is typed: the list, mistakes, and a drill of real processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

DRILL = [sys.executable, "-m", "glassplate", "drill"]
SEED = "20240229"


def run_drill(*arguments):
    """What a drill printed, and its exit status."""
    return subprocess.run(
        [*DRILL, *arguments], capture_output=True, text=True, timeout=150, check=False
    )


def test_the_list_names_all_scenarios():
    """As a table, and as JSON."""
    assert "colo-lost" in run_drill("--list").stdout
    listed = json.loads(run_drill("--list", "--json").stdout)["scenarios"]
    assert len(listed) >= 30
    assert all(each["description"] for each in listed)


def test_an_unknown_scenario_is_a_mistake_of_the_caller():
    """It starts nothing."""
    done = run_drill("colo-on-fire")
    assert done.returncode == 2
    assert "colo-on-fire" in done.stderr
    assert "--list" in done.stderr


def test_a_drill_that_is_ended_leaves_nothing_behind(tmp_path):
    """Neither a mounted disk, nor a folder, nor a process."""
    # Not below `tmp_path`: sockets have short names.
    with tempfile.TemporaryDirectory(prefix="drilled-") as scratch:
        drilling = subprocess.Popen(
            [*DRILL, "node-killed", "--report", str(tmp_path)],
            env={**os.environ, "TMPDIR": scratch},
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: processes_with(scratch))
        drilling.send_signal(signal.SIGTERM)
        assert drilling.wait(timeout=120) == 128 + signal.SIGTERM
        assert list(Path(scratch).iterdir()) == []
        assert scratch not in Path("/proc/self/mounts").read_text()
        assert processes_with(scratch) == []


def processes_with(text):
    """The commands that are running and have a text among their arguments."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(each.read_bytes().decode(errors="replace"))
    return [command for command in found if text in command]


def wait_until(find):
    """What is found, once there is something."""
    deadline = time.monotonic() + 60
    while not (found := find()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("scenario", ["node-killed"])
def test_a_drill_of_real_processes_holds_and_is_reported(scenario, tmp_path):
    """Every promise held, the fault fired, and the page is there."""
    report = ("--report", str(tmp_path / "out"))
    done = run_drill(scenario, "--seed", SEED, "--duration", "8", "--json", *report)
    document = json.loads(done.stdout)
    assert done.returncode == 0, f"seed {SEED}: {json.dumps(document, indent=1)}"
    (drill,) = document["drills"]
    assert drill["passed"]
    assert all(proof["fired"] for proof in drill["evidence"])
    checked = {rule["rule"]: rule["checked"] for rule in drill["rules"]}
    assert all(checked[rule] for rule in ("C1", "C3", "C4", "C5", "C9", "C11", "C12", "C13"))
    assert (tmp_path / "out" / "index.html").exists()
    assert (tmp_path / "out" / scenario / "history.jsonl").exists()
