"""Output of `glassplate up`: nothing folds at 80 columns, and each service has one line."""

import asyncio
import io
import re

import pytest
from rich.console import Console

from glassplate.cli.views import progress
from glassplate.cli.views.progress import reported_steps
from glassplate.cli.views.start_report import (
    failed_lines,
    failed_names,
    finding_lines,
    missing_lines,
    port_lines,
    welcome_lines,
)
from glassplate.doctor.finding import fail, ok, warn
from glassplate.local.cluster import (
    MISSING_MEMCACHED,
    MISSING_NGINX,
    MISSING_VARNISH,
    LocalCluster,
)
from glassplate.local.plan import PORTS_USED
from glassplate.local.samples import SampleOutcome
from glassplate.session.new_tokens import sign_new_token

HIGHEST_PORT = 65535 - PORTS_USED
LINK = "http://127.0.0.1:8090/console/sign-in#link"
STEP = "Sizes of a-photo-with-a-long-name.jpg"


@pytest.fixture(name="local", scope="module")
def _local(tmp_path_factory):
    """Return a cluster that is prepared but not started, on ports of five digits."""
    return LocalCluster.prepare(tmp_path_factory.mktemp("data"), port=HIGHEST_PORT)


@pytest.fixture(name="token")
def _token(local):
    return sign_new_token(local.keys, ["upload", "read", "original", "delete"])


def outcomes(*states):
    """Return sample photos in these states, each with URLs of three sizes."""
    return [
        SampleOutcome(
            f"{number}.jpg", state, {c: f"http://h/{number}_{c}.{'x' * 90}" for c in "smo"}
        )
        for number, state in enumerate(states)
    ]


def too_wide(lines):
    """Return the lines over 80 columns that are not a URL, a path, a token, or a setting."""
    may_be_wide = re.compile(r"http://\S+| *(export \w+=)?/\S+|  TOKEN=\S+")
    return [line for line in lines if len(line) > 80 and not may_be_wide.fullmatch(line)]


def test_every_service_has_one_line(local, token):
    """A line has the service's name and, except for workers, its address."""
    lines = list(welcome_lines(local, token, LINK, [], all_urls=False))
    for process in local.processes:
        [line] = [line for line in lines if line.split() and line.split()[0] == process.plan.name]
        assert "127.0.0.1:" in line or "image worker" in line
    assert too_wide(lines) == []


def test_the_address_of_the_console_comes_last(local, token):
    """No URL of a photo scrolls it away: the console shows the sample photos."""
    lines = list(welcome_lines(local, token, LINK, outcomes("ready", "ready"), all_urls=False))
    assert lines[-1] == LINK
    assert [line for line in lines if line.startswith("http://h/")] == []
    assert "2 sample photos are ready" in "\n".join(lines)
    assert too_wide(lines) == []


def test_all_urls_of_all_sizes_can_be_printed(local, token):
    """`--urls` prints every URL of every sample photo."""
    lines = list(welcome_lines(local, token, LINK, outcomes("ready", "ready"), all_urls=True))
    assert len([line for line in lines if line.startswith("http://h/")]) == 6
    assert too_wide(lines) == []


def test_a_long_reason_is_wrapped(local, token):
    """The reason for failed sizes is wrapped at 80 columns."""
    reason = "not ready after 120 s: " + "the queue is down, and " * 6
    lines = list(welcome_lines(local, token, LINK, outcomes(reason), all_urls=False))
    assert " ".join(" ".join(lines).split()).count("the queue is down") == 6
    assert too_wide(lines) == []


def test_a_change_of_ports_is_reported(local, monkeypatch):
    """The lines have both ports and the config, and appear only after a change."""
    assert list(port_lines(local)) == []
    monkeypatch.setattr(local, "moved_from_port", 65000)
    lines = list(port_lines(local))
    assert lines[0] == f"This cluster moves from port 65000 to {HIGHEST_PORT}."
    assert str(local.config_path) in lines[-1]
    assert too_wide(lines) == []


def test_processes_that_did_not_start_have_the_command_to_start_them():
    """The reasons come first, and the names with their commands last."""
    reasons = {"east-1": "east-1 exited with status 2\nits disk is missing"}
    assert list(failed_lines(reasons)) == ["", *reasons["east-1"].splitlines()]
    names = list(failed_names(reasons))
    assert names[-1] == "  glassplate node start east-1"
    assert too_wide(names) == []
    assert list(failed_names({})) == []


def test_missing_servers_fit_as_well(local, monkeypatch):
    """Each missing server has its consequence on the line below."""
    monkeypatch.setattr(local, "missing", [MISSING_NGINX, MISSING_VARNISH, MISSING_MEMCACHED])
    lines = list(missing_lines(local))
    assert len(lines) == 6
    assert too_wide(lines) == []


def test_a_slow_step_repeats_lines_without_a_terminal(capsys, monkeypatch):
    """Lines show the current step and its duration."""
    monkeypatch.setattr(progress, "SILENT_SECONDS_MAX", 0.05)

    async def start_slowly():
        async with reported_steps(Console(file=io.StringIO())) as report:
            report(3, 16, STEP)
            await asyncio.sleep(0.3)

    asyncio.run(start_slowly())
    first, *others = capsys.readouterr().err.splitlines()
    assert first == f"{STEP} (3 of 16)"
    assert others
    assert all(re.fullmatch(r"  still running after \d+ s", line) for line in others)


def test_the_bar_fits_a_terminal_of_80_columns():
    """The name of a long step is cut, so that the bar stays on one line."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80)

    async def start():
        async with reported_steps(console) as report:
            report(3, 16, STEP)

    asyncio.run(start())
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    shown = [line for line in re.split(r"[\r\n]+", text) if "3/16" in line]
    assert shown
    assert all(len(line) <= 80 for line in shown)


def test_the_doctor_has_one_line_unless_something_failed():
    """A failure comes with its remedy; a warning is left to `glassplate doctor`."""
    sound = [ok("keys", "the keys are sound"), warn("tokens", "tokens end", "one", "revoke it")]
    assert list(finding_lines(sound)) == [
        "Doctor: 2 checks, no failure. `glassplate doctor` shows more."
    ]
    failed = fail("queue", "the queue responds", "refused", "start Valkey")
    assert list(finding_lines([*sound, failed])) == [
        "the queue responds: refused",
        "  start Valkey",
    ]
