"""`proxy_config/install-servers.sh`: progress and no network, with fakes of apt-get and sudo."""

import os
import socket

import pytest

from tests.deploy.timed_script import calls_of, make_program, run_timed

UNREACHABLE = "Debian's archive is not reachable"
# Nothing is run as root: the file that forbids services to start is not written either.
SUDO = 'shift; case "$1" in sh) cat >/dev/null ;; rm) ;; *) exec "$@" ;; esac'


@pytest.fixture(name="programs")
def _programs(tmp_path):
    """Create fake programs: an unprivileged user, and a Python without venv."""
    make_program(tmp_path / "id", "echo 1000")
    make_program(tmp_path / "sudo", SUDO)
    is_installed = f"test -e {tmp_path}/installed"
    make_program(
        tmp_path / "python3",
        f'case "$*" in *ensurepip*) {is_installed} ;; *) echo python3.11-venv ;; esac',
    )
    return tmp_path


def install(root, programs, *, apt_get):
    """Run the script for the package that makes virtual environments."""
    make_program(programs / "apt-get", apt_get.replace("INSTALLED", f"{programs}/installed"))
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    environment.pop("PYTHON", None)
    return run_timed([root / "proxy_config" / "install-servers.sh", "venv"], environment)


def test_a_slow_installation_shows_signs_of_life(root, programs):
    """The first line comes at once, and no silence lasts for five seconds."""
    run = install(
        root,
        programs,
        apt_get='case "$*" in *update) echo Hit:1 ;; *) sleep 7; touch INSTALLED ;; esac',
    )
    assert run.status == 0, run.text
    assert run.lines[0][0] < 2.0
    assert run.longest_silence_seconds < 5.0
    assert calls_of(programs / "apt-get")[-1].endswith("install python3.11-venv")


def test_without_a_network_it_says_so_within_ten_seconds(root, programs):
    """With what is missing, what is lost without it, and the command that installs it."""
    run = install(
        root,
        programs,
        apt_get='case "$*" in *update) exec sleep 60 ;; *) echo Failed to fetch; exit 100 ;; esac',
    )
    assert run.status == 1
    assert run.seconds_until(UNREACHABLE) < 10.0
    assert run.longest_silence_seconds < 5.0
    loss = "Python cannot create a virtual environment"
    assert f"python3.11-venv is not installed:\n  {loss}" in run.text
    assert "sudo apt-get install --no-install-recommends \\\n    python3.11-venv" in run.text
    assert all(len(line) <= 80 for _, line in run.lines)


def test_a_slow_archive_is_waited_for(root, programs, monkeypatch):
    """It accepts connections, so its package lists are read, and not left out."""
    monkeypatch.setenv("OFFLINE_SECONDS", "1")
    with socket.create_server(("127.0.0.1", 0)) as archive:
        url = f"http://127.0.0.1:{archive.getsockname()[1]}/debian"
        run = install(
            root,
            programs,
            apt_get=f'case "$*" in *indextargets*) echo {url} ;; '
            "*update) sleep 7; echo Hit:1 ;; *) touch INSTALLED ;; esac",
        )
    assert run.status == 0, run.text
    assert "  the package index is slow: no response after" in run.text
    assert UNREACHABLE not in run.text
