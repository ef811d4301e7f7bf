"""Fork server: a small process with the image libraries loaded, which forks a child per photo.

Starting Python and loading Pillow takes longer than processing most photos. A fork of the worker
would inherit its keys and connections, and a file that breaks a decoder could take them. This
process starts with a clean environment and one socket, and holds no secrets.

It has one thread and handles one photo at a time. A request is a packet with a pickled `Request`
and two descriptors: the original, and a pipe for the result. The worker is trusted; output of a
child is never unpickled. After the child has exited, the server sends its `ChildExit` as JSON.
"""

import contextlib
import gc
import io
import json
import os
import pickle
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import NoReturn

from PIL import Image

from imageworker.made_sizes import MadeSizes
from imageworker.make_sizes import make_second_pass, make_sizes
from imageworker.pixels.icc_profile import DISPLAY_P3_PROFILE
from imageworker.processing_errors import MemoryLimitExceeded, UnprocessablePhoto
from imageworker.recipe import DEFAULT_RECIPE, AvifSetting, Recipe, WebpSetting
from imageworker.sandbox.child_protocol import PACKET_BYTES_MAX, ChildExit, Request
from imageworker.sandbox.child_result import render_result
from imageworker.sandbox.landlock import deny_file_system
from imageworker.sandbox.sandbox import (
    SandboxStatus,
    die_with_parent,
    drop_privileges,
    enter_sandbox,
)
from imageworker.sandbox.syscall_filter import SyscallFilter

_DESCRIPTORS = 2
_READ_BYTES = 1024 * 1024


def serve(control: socket.socket) -> None:
    """Fork a child for every request, until the worker closes the connection."""
    syscalls = SyscallFilter()
    warm_up()
    has_left_network, is_unprivileged = drop_privileges()
    sandbox_status = SandboxStatus(
        network_isolated=has_left_network,
        unprivileged=is_unprivileged,
        syscalls_filtered=_works_in_a_child(syscalls.install),
        file_system_denied=_works_in_a_child(deny_file_system),
    )
    control.send(json.dumps(asdict(sandbox_status)).encode())
    # Children share the pages of the objects that exist now; a collection would copy those pages.
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        packet, descriptors, _, _ = socket.recv_fds(control, PACKET_BYTES_MAX, _DESCRIPTORS)
        if not packet:
            return
        request = pickle.loads(packet)  # noqa: S301  only the worker has the socket's other end
        child_exit = _run_child(request, control, descriptors, syscalls)
        control.send(json.dumps(asdict(child_exit)).encode())


def warm_up() -> None:
    """Run every codec once: a child cannot open the files that they load on first use."""
    recipe = Recipe(
        version="warm", jpeg=DEFAULT_RECIPE.jpeg, webp=WebpSetting(), avif=AvifSetting(speed=10)
    )
    picture = Image.radial_gradient("L").resize((120, 90)).convert("RGB")
    for pillow_name in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF"):
        buffer = io.BytesIO()
        picture.save(buffer, pillow_name, icc_profile=DISPLAY_P3_PROFILE)
        render_result(make_sizes(buffer.getvalue(), recipe=recipe))
    make_second_pass(buffer.getvalue(), recipe=recipe)
    with contextlib.suppress(UnprocessablePhoto):
        make_sizes(buffer.getvalue()[:-100], recipe=recipe)


def build_result(request: Request, original: bytes) -> MadeSizes | UnprocessablePhoto:
    """Return the sizes of the photo, or the error that says why they cannot be made."""
    try:
        if request.is_second_pass:
            return MadeSizes(make_second_pass(original, recipe=request.recipe), b"")
        return make_sizes(original, recipe=request.recipe)
    except UnprocessablePhoto as error:
        return error
    except MemoryError:
        megabytes = request.recipe.limits.memory_bytes_max // (1024 * 1024)
        return MemoryLimitExceeded(
            f"its sizes need more than the {megabytes} MiB of memory a photo may use"
        )


def _run_child(
    request: Request, control: socket.socket, descriptors: list[int], syscalls: SyscallFilter
) -> ChildExit:
    started, server = time.monotonic(), os.getpid()
    child = os.fork()
    if child == 0:
        die_with_parent(server)
        _be_child(request, control, descriptors, syscalls)
    for descriptor in descriptors:
        os.close(descriptor)
    is_timed_out = not _wait_until_ended(
        child, control, seconds=request.recipe.limits.elapsed_seconds_max
    )
    if is_timed_out:
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    return ChildExit(
        status=status,
        is_timed_out=is_timed_out,
        memory_bytes_peak=used.ru_maxrss * 1024,
        cpu_seconds=used.ru_utime + used.ru_stime,
        elapsed_seconds=time.monotonic() - started,
    )


def _wait_until_ended(child: int, control: socket.socket, *, seconds: float) -> bool:
    """Return True if the child exited by itself, False on a timeout or if the worker is gone."""
    child_handle = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(child_handle, select.POLLIN)
        # The worker sends nothing before this result, so the socket is readable only at its end.
        poll.register(control, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(seconds * 1000)]
        return child_handle in ready
    finally:
        os.close(child_handle)


def _be_child(
    request: Request, control: socket.socket, descriptors: list[int], syscalls: SyscallFilter
) -> NoReturn:
    """Decode one photo in the sandbox, write the result, and exit without cleanup."""
    try:
        original_file, result_pipe = descriptors
        control.close()
        discard_output()
        original = _read_all(original_file)
        os.close(original_file)
        enter_sandbox(request.recipe.limits, syscalls)
        _write_all(result_pipe, render_result(build_result(request, original)))
        os._exit(0)
    except BaseException:  # noqa: BLE001  an exception must not unwind into the server's loop
        os._exit(1)


def discard_output() -> None:
    """Discard the output of decoders, so that file content never reaches the worker's log."""
    null_device = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null_device, standard)
    os.close(null_device)


def _read_all(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    chunks = iter(lambda: os.read(descriptor, _READ_BYTES), b"")
    return b"".join(chunks)


def _write_all(descriptor: int, data: bytes) -> None:
    unsent = memoryview(data)
    while unsent:
        unsent = unsent[os.write(descriptor, unsent) :]


def _works_in_a_child(restrict: Callable[[], bool]) -> bool:
    """Return True if a forked child can restrict itself so."""
    child = os.fork()
    if child == 0:
        os._exit(0 if restrict() else 1)
    return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
