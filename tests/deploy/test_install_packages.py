"""`deploy/install-packages.sh`: progress, no network, no uv. A fake pip takes the calls."""

import os
import socket

import pytest

from tests.deploy.timed_script import calls_of, make_program, run_timed
from tests.free_ports import free_port

LOCKED = "--require-hashes --requirement requirements/server.lock"
NO_WHEEL = 'echo "ERROR: No matching distribution found" >&2; exit 1'
NO_INDEX = """\
echo "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError'" >&2
echo "ERROR: No matching distribution found for uv" >&2
exit 1"""


@pytest.fixture(name="venv")
def _venv(tmp_path):
    """Create a virtual environment whose Python does nothing."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    make_program(tmp_path / "venv" / "bin" / "python", "exit 0")
    return tmp_path / "venv"


def install(root, venv):
    """Run the script as `make up` does."""
    return run_timed([root / "deploy" / "install-packages.sh", venv, "server"], os.environ)


OPTIMIZED = 'case "$*" in *ensurepip,*) exit 0 ;; esac'
UNOPTIMIZED = 'case "$*" in *ensurepip,*) exit 1 ;; esac'
MAKE_VENV = """
case "$*" in
  *venv*)
    mkdir -p "$4/bin"
    printf '#!/bin/sh\\nexit 0\\n' | tee "$4/bin/python" >"$4/bin/pip"
    chmod +x "$4/bin/python" "$4/bin/pip" ;;
esac"""


@pytest.mark.parametrize(
    ("python3", "debian", "used", "says"),
    [
        (OPTIMIZED, OPTIMIZED, "python3", ""),
        (UNOPTIMIZED, OPTIMIZED, "debian", "python3 of PATH is built without optimization"),
        (UNOPTIMIZED, UNOPTIMIZED, "python3", "python3 is built without optimization, so that"),
    ],
)
def test_an_optimized_python_is_preferred(root, tmp_path, python3, debian, used, says):
    """Unless PYTHON names another, and the choice is printed."""
    programs = {name: tmp_path / name / "python3" for name in ("python3", "debian")}
    for name, detection in (("python3", python3), ("debian", debian)):
        programs[name].parent.mkdir()
        make_program(programs[name], detection + MAKE_VENV)
    environment = os.environ | {
        "PATH": f"{programs['python3'].parent}:{os.environ['PATH']}",
        "DEBIAN_PYTHON": str(programs["debian"]),
    }
    environment.pop("PYTHON", None)
    script = root / "deploy" / "install-packages.sh"
    run = run_timed([script, tmp_path / "venv", "server"], environment)
    assert run.status == 0, run.text
    assert says in run.text
    assert any("-m venv" in call for call in calls_of(programs[used]))


@pytest.mark.parametrize("pip", ["exec sleep 60", NO_INDEX], ids=["silence", "no route"])
def test_without_a_network_it_says_so_within_ten_seconds(root, venv, pip, monkeypatch):
    """With what to do, and never silent for more than five seconds before that."""
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{free_port()}/simple")
    make_program(venv / "bin" / "pip", pip)
    run = install(root, venv)
    assert run.status == 1
    assert "No package index is reachable. Connect this machine to the network" in run.text
    assert run.lines[0][0] < 2.0
    assert run.seconds < 10.0
    assert run.longest_silence_seconds < 5.0
    assert all(len(line) <= 80 for _, line in run.lines[1:])


@pytest.fixture(name="slow_index")
def _slow_index(monkeypatch):
    """Listen as a package index that sends nothing."""
    monkeypatch.setenv("OFFLINE_SECONDS", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        yield


@pytest.mark.usefixtures("slow_index")
def test_a_slow_index_is_waited_for(root, venv):
    """It accepts connections, so it is not missing; the delay is named."""
    make_program(venv / "bin" / "uv", "exit 0")
    make_program(venv / "bin" / "pip", "sleep 7; echo Downloading uv")
    run = install(root, venv)
    assert run.status == 0, run.text
    assert "  the package index is slow: no response after" in run.text
    assert "No package index" not in run.text


@pytest.mark.usefixtures("slow_index")
@pytest.mark.parametrize("is_back", [True, False])
def test_a_slow_index_is_tried_again_with_more_time(root, venv, is_back):
    """After a timeout. If that does not help, the message names the index, and not the network."""
    make_program(venv / "bin" / "uv", "exit 0")
    timeout = 'echo "ReadTimeoutError: Read timed out." >&2; exit 1'
    make_program(
        venv / "bin" / "pip",
        f'[ "${{PIP_DEFAULT_TIMEOUT:-}}" = 60 ] && {str(is_back).lower()} || {{ {timeout}; }}',
    )
    run = install(root, venv)
    assert "Trying again: the package index gets 60 s for a response" in run.text
    assert run.status == (0 if is_back else 1), run.text
    assert ("simple is too slow: no response within\n60 s." in run.text) != is_back
    assert "No package index" not in run.text


def test_where_uv_has_no_wheel_pip_installs_the_same_lock(root, venv):
    """Every package with its hash, and the project without looking for a build tool."""
    pip = venv / "bin" / "pip"
    make_program(pip, f'case "$*" in *uv.txt) {NO_WHEEL} ;; esac')
    run = install(root, venv)
    assert run.status == 0, run.text
    calls = calls_of(pip)
    assert any(LOCKED in call for call in calls)
    assert any("--no-deps --no-build-isolation --editable ." in call for call in calls)


def test_pip_takes_over_where_uv_fails(root, venv):
    """A proxy that only pip knows of does not end the installation."""
    pip, uv = venv / "bin" / "pip", venv / "bin" / "uv"
    make_program(pip, "exit 0")
    make_program(uv, 'echo "error: invalid peer certificate" >&2; exit 2')
    run = install(root, venv)
    assert run.status == 0, run.text
    assert "uv failed: error: invalid peer certificate" in run.text
    [call] = calls_of(uv)
    assert LOCKED in call
    assert any(LOCKED in call for call in calls_of(pip))


def test_a_package_without_a_wheel_for_this_platform_is_left_out(root, venv):
    """HEIC and SIMD are extras: the message says what is lost, and the installation succeeds."""
    make_program(venv / "bin" / "pip", "exit 0")
    make_program(venv / "bin" / "uv", f'case "$*" in *optional.txt) {NO_WHEEL} ;; esac')
    run = install(root, venv)
    assert run.status == 0, run.text
    assert "No pillow-heif wheel for this platform: HEIC photos are kept" in run.text
    assert "No cykooz-resizer wheel for this platform: sizes take twice as long" in run.text
