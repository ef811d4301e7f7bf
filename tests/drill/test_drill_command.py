"""The command `glassplate drill`, and one drill with real processes."""

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
    """Run the command to its end."""
    return subprocess.run(
        [*DRILL, *arguments], capture_output=True, text=True, timeout=150, check=False
    )


def test_the_list_names_all_scenarios():
    """`--list` prints all scenarios as a table or as JSON."""
    assert "colo-lost" in run_drill("--list").stdout
    listed = json.loads(run_drill("--list", "--json").stdout)["scenarios"]
    assert len(listed) >= 30
    assert all(each["description"] for each in listed)


def test_an_unknown_scenario_is_a_usage_error():
    """An unknown scenario exits with status 2 and names `--list`."""
    done = run_drill("colo-on-fire")
    assert done.returncode == 2
    assert "colo-on-fire" in done.stderr
    assert "--list" in done.stderr


def test_a_terminated_drill_leaves_nothing_behind(tmp_path):
    """After SIGTERM no mount, no folder, and no process remains."""
    # `tmp_path` is too long for the names of sockets.
    with tempfile.TemporaryDirectory(prefix="drilled-") as scratch:
        drilling = subprocess.Popen(
            [*DRILL, "node-killed", "--report", str(tmp_path)],
            env={**os.environ, "TMPDIR": scratch},
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: processes_with(scratch))
        drilling.send_signal(signal.SIGTERM)
        assert drilling.wait(timeout=120) == 128 + signal.SIGTERM
        # Varnish runs a C compiler, which leaves its own file if it is killed with it.
        left = [each.name for each in Path(scratch).iterdir() if not each.match("cc*.s")]
        assert left == []
        assert scratch not in Path("/proc/self/mounts").read_text()
        assert processes_with(scratch) == []


def processes_with(text):
    """Return the command lines of running processes that contain a text."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(each.read_bytes().decode(errors="replace"))
    return [command for command in found if text in command]


def wait_until(find):
    """Call `find` until it returns something, and return that."""
    deadline = time.monotonic() + 60
    while not (found := find()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("scenario", ["node-killed"])
def test_a_drill_of_real_processes_passes_and_writes_a_report(scenario, tmp_path):
    """Every promise holds, every fault fires, and the report is written."""
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
