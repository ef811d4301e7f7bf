"""Children and their fork server: every outcome gives sizes or an error."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imageworker.make_sizes import make_sizes
from imageworker.processing_errors import (
    DecoderCrashed,
    MemoryLimitExceeded,
    ProcessorTimeExceeded,
    TimeLimitExceeded,
    TransientFailure,
    UnprocessablePhoto,
)
from imageworker.recipe import DEFAULT_RECIPE, AvifSetting, Limits, Recipe
from imageworker.sandbox.child import ServerLost, SizesMaker, describe_exit
from imageworker.sandbox.child_protocol import ChildExit
from tests.imageworker.photo_zoo import good, picture, save

MEGABYTE = 1024 * 1024
PATIENCE_SECONDS = 20.0

WELL = ChildExit(
    status=0, is_timed_out=False, memory_bytes_peak=1, cpu_seconds=0.1, elapsed_seconds=0.1
)


@pytest.fixture(name="own_maker")
def _own_maker() -> Iterator[SizesMaker]:
    with SizesMaker() as maker:
        yield maker


@pytest.fixture(name="slow_photo", scope="module")
def _slow_photo() -> bytes:
    return save(picture(1600, 1200), "JPEG")


def _slow(**limits: int) -> Recipe:
    """Return a recipe with these limits whose second pass takes many seconds."""
    avif = AvifSetting(quality=90, speed=0, edge_pixels_max=2048)
    return dataclasses.replace(DEFAULT_RECIPE, avif=avif, limits=Limits(**limits))


def _server_pid(maker: SizesMaker) -> int:
    assert maker._server is not None
    return maker._server.process.pid


def _wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_running(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _when_busy(server: int, act: Callable[[int], None]) -> threading.Thread:
    """Call a function with the first child of the server, in a separate thread."""

    def run() -> None:
        _wait_until(lambda: _children(server))
        act(_children(server)[0])

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"is_timed_out": True, "status": signal.SIGKILL}, TimeLimitExceeded, "more than 30 s"),
        ({"status": signal.SIGXCPU}, ProcessorTimeExceeded, "20 s of processor time"),
        (
            {"status": signal.SIGKILL, "cpu_seconds": 21.0},
            ProcessorTimeExceeded,
            "20 s of processor time",
        ),
        ({"status": signal.SIGKILL}, DecoderCrashed, "memory ran out"),
        ({"status": signal.SIGSEGV}, DecoderCrashed, "signal 11"),
        ({"status": signal.SIGABRT}, DecoderCrashed, "signal 6"),
        ({"status": 1 << 8}, DecoderCrashed, "without a result"),
    ],
)
def test_every_exit_has_its_error(
    changed: dict[str, object], kind: type[UnprocessablePhoto], words: str
) -> None:
    """Every exit of a child has its error text."""
    error = describe_exit(dataclasses.replace(WELL, **changed), Limits())
    assert type(error) is kind
    assert words in error.reason
    assert isinstance(error, TransientFailure) is (kind is not ProcessorTimeExceeded)


def test_a_successful_child_has_no_error() -> None:
    """The exit of a successful child gives no error."""
    assert describe_exit(WELL, Limits()) is None


def test_a_child_out_of_memory_is_a_permanent_failure(maker: SizesMaker) -> None:
    """A child out of memory reports the limit itself, as a permanent failure."""
    recipe = dataclasses.replace(DEFAULT_RECIPE, limits=Limits(memory_bytes_max=180 * MEGABYTE))
    with pytest.raises(MemoryLimitExceeded, match="180 MiB of memory") as caught:
        maker.make(save(picture(6000, 4500), "PNG"), recipe)
    assert not isinstance(caught.value, TransientFailure)
    assert maker.last_exit is not None
    assert maker.last_exit.memory_bytes_peak < 180 * MEGABYTE


def test_a_child_over_its_processor_time_is_ended(maker: SizesMaker, slow_photo: bytes) -> None:
    """The kernel ends it, within a second of the limit."""
    with pytest.raises(ProcessorTimeExceeded, match="1 s of processor time"):
        maker.make_second_pass(slow_photo, _slow(cpu_seconds_max=1))
    assert maker.last_exit is not None
    assert maker.last_exit.cpu_seconds < 3


def test_a_child_over_its_time_is_killed(maker: SizesMaker, slow_photo: bytes) -> None:
    """The fork server kills the child, and then handles the next photo."""
    with pytest.raises(TimeLimitExceeded, match="more than 1 s"):
        maker.make_second_pass(slow_photo, _slow(elapsed_seconds_max=1))
    assert maker.make(good("JPEG").data, DEFAULT_RECIPE).variants


def test_a_result_over_the_limit_is_rejected(maker: SizesMaker) -> None:
    """A result over the limit is rejected, so that a child cannot fill the worker's memory."""
    recipe = dataclasses.replace(DEFAULT_RECIPE, limits=Limits(result_bytes_max=1000))
    with pytest.raises(DecoderCrashed):
        maker.make(save(picture(1600, 1200), "JPEG"), recipe)
    assert maker.make(good("JPEG").data, DEFAULT_RECIPE).variants


@pytest.mark.parametrize("deadly", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_is_an_error_and_the_next_photo_is_made(
    own_maker: SizesMaker, slow_photo: bytes, deadly: signal.Signals
) -> None:
    """A crash ends only the child; the maker handles the next photo."""
    server = _server_pid(own_maker)
    killer = _when_busy(server, lambda child: os.kill(child, deadly))
    with pytest.raises(DecoderCrashed):
        own_maker.make_second_pass(slow_photo, _slow())
    killer.join()
    assert own_maker.make(good("JPEG").data, DEFAULT_RECIPE).variants
    assert _server_pid(own_maker) == server


def test_a_dead_fork_server_is_started_again(own_maker: SizesMaker) -> None:
    """The maker starts another fork server for the next photo."""
    server = _server_pid(own_maker)
    os.kill(server, signal.SIGKILL)
    assert own_maker.make(good("JPEG").data, DEFAULT_RECIPE).variants
    assert _server_pid(own_maker) != server


def test_a_fork_server_that_dies_over_a_photo_is_replaced(own_maker: SizesMaker) -> None:
    """The next fork server makes the photo, and the dead server's child is gone."""
    data = save(picture(4000, 3000), "PNG")
    children: list[int] = []

    def kill_server(child: int) -> None:
        children.append(child)
        os.kill(server, signal.SIGKILL)

    server = _server_pid(own_maker)
    killer = _when_busy(server, kill_server)
    assert own_maker.make(data, DEFAULT_RECIPE) == make_sizes(data, recipe=DEFAULT_RECIPE)
    killer.join()
    _wait_until(lambda: not _is_running(children[0]))


def test_a_fork_server_that_always_dies_is_an_error(
    own_maker: SizesMaker, slow_photo: bytes
) -> None:
    """The attempt fails after two servers have died, and the maker stays usable."""
    first = _server_pid(own_maker)

    def kill_both(_child: int) -> None:
        os.kill(first, signal.SIGKILL)
        _wait_until(lambda: own_maker._server is not None and _server_pid(own_maker) != first)
        second = _server_pid(own_maker)
        _wait_until(lambda: _children(second))
        os.kill(second, signal.SIGKILL)

    killer = _when_busy(first, kill_both)
    with pytest.raises(DecoderCrashed, match="starts decoders died"):
        own_maker.make_second_pass(slow_photo, _slow())
    killer.join()
    assert own_maker.make(good("JPEG").data, DEFAULT_RECIPE).variants


def test_a_maker_leaves_no_process_behind() -> None:
    """The fork server is gone after the block."""
    maker = SizesMaker()
    with maker:
        server = _server_pid(maker)
    assert not _is_running(server)


def test_server_and_child_end_with_their_worker(slow_photo: bytes, tmp_path: Path) -> None:
    """A fork server and its child end when their worker is killed."""
    photo = tmp_path / "slow.jpg"
    photo.write_bytes(slow_photo)
    program = (
        "import dataclasses, pathlib, sys\n"
        "from imageworker.sandbox.child import SizesMaker\n"
        "from imageworker.recipe import DEFAULT_RECIPE, AvifSetting\n"
        "avif = AvifSetting(quality=90, speed=0, edge_pixels_max=2048)\n"
        "recipe = dataclasses.replace(DEFAULT_RECIPE, avif=avif)\n"
        "with SizesMaker() as maker:\n"
        "    print(maker._server.process.pid, flush=True)\n"
        f"    maker.make_second_pass(pathlib.Path({str(photo)!r}).read_bytes(), recipe)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        server = int(worker.stdout.readline())
        _wait_until(lambda: _children(server))
        child = _children(server)[0]
        worker.kill()
    _wait_until(lambda: not _is_running(server) and not _is_running(child))


def test_a_fork_server_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fork server has none of the worker's environment, and only its socket."""
    monkeypatch.setenv("GLASSPLATE_KEYS", "the secret")
    with SizesMaker() as maker:
        server = Path("/proc") / str(_server_pid(maker))
        assert b"secret" not in (server / "environ").read_bytes()
        links = {str(entry.readlink()) for entry in (server / "fd").iterdir()}
        errors = str(Path("/proc/self/fd/2").readlink())
        (control,) = (link for link in links if link.startswith("socket:"))
        assert links - {control, errors} == {"/dev/null"}


def test_the_sandbox_of_this_machine_is_reported(maker: SizesMaker) -> None:
    """`sandbox_status` reports the features of this machine."""
    assert maker.sandbox_status.unprivileged
    assert maker.sandbox_status.syscalls_filtered
    assert maker.sandbox_status.file_system_denied
    assert isinstance(maker.sandbox_status.network_isolated, bool)


def test_threads_that_share_a_maker_get_their_own_results(maker: SizesMaker) -> None:
    """Concurrent calls run one after the other, and each gets its own result."""
    photos = [good("JPEG").data, good("PNG").data, good("GIF").data]
    expected = [make_sizes(data, recipe=DEFAULT_RECIPE) for data in photos]
    found: dict[int, object] = {}

    def run(at: int) -> None:
        found[at] = maker.make(photos[at % 3], DEFAULT_RECIPE)

    threads = [threading.Thread(target=run, args=(at,)) for at in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[at] == expected[at % 3] for at in range(9))


def test_a_fork_server_that_cannot_start_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """The maker raises when it starts, not with its first photo."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(ServerLost, match="did not start"):
        SizesMaker().__enter__()


def test_a_worker_does_not_load_pillow() -> None:
    """The worker process never imports Pillow."""
    program = (
        "import sys, imageworker.sandbox.child; "
        "print([m for m in sys.modules if m.startswith('PIL')])"
    )
    report = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert report.stdout.strip() == b"[]"
