"""Processing of each photo in a child process of its own, so that no photo can harm the worker.

`SizesMaker` starts a fork server (see `fork_server`) and sends it originals. It converts every
exit of a child to sizes or to an error. A child that crashes, or that the kernel kills for its
memory or time, is a failure of that photo and never ends the worker. `sandbox` lists the limits
of a child. This module does not load Pillow.
"""

import contextlib
import json
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from imageworker.made_sizes import MadeSizes, MadeVariant
from imageworker.processing_errors import (
    DecoderCrashed,
    ProcessorTimeExceeded,
    TimeLimitExceeded,
    UnprocessablePhoto,
)
from imageworker.recipe import Limits, Recipe
from imageworker.sandbox.child_protocol import PACKET_BYTES_MAX, ChildExit, Request
from imageworker.sandbox.child_result import parse_result
from imageworker.sandbox.sandbox import SandboxStatus

STARTING_SECONDS_MAX = 30.0
# The server kills a child at its deadline. A server that hangs is given up this much later.
SERVER_GRACE_SECONDS = 5.0

_READ_BYTES = 1024 * 1024


class ServerLost(Exception):
    """The fork server died, stopped responding, or cannot be started."""


@dataclass(slots=True)
class _Server:
    process: subprocess.Popen[bytes]
    control: socket.socket
    sandbox_status: SandboxStatus


class SizesMaker:
    """Maker of sizes: one child per photo, one photo at a time. A context manager.

    Thread-safe: calls from several threads run one after the other. `last_exit` describes the last
    child.
    """

    def __init__(self) -> None:
        self._server: _Server | None = None
        self._busy = threading.Lock()
        self.last_exit: ChildExit | None = None

    def __enter__(self) -> Self:
        """Start the fork server.

        Raises:
            ServerLost: It cannot be started.
        """
        self._server = _start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def sandbox_status(self) -> SandboxStatus:
        """Sandbox features that are active on this machine."""
        with self._busy:
            return self._running().sandbox_status

    def make(self, original: bytes, recipe: Recipe) -> MadeSizes:
        """Make all sizes of a photo, and its info document.

        Raises:
            UnprocessablePhoto: They cannot be made; a `TransientFailure` if a retry can succeed.
        """
        return self._make(original, Request(recipe))

    def make_second_pass(self, original: bytes, recipe: Recipe) -> tuple[MadeVariant, ...]:
        """Make the variants that are slow to encode. The info document already lists them.

        Raises:
            UnprocessablePhoto: They cannot be made; a `TransientFailure` if a retry can succeed.
        """
        return self._make(original, Request(recipe, is_second_pass=True)).variants

    def _make(self, original: bytes, request: Request) -> MadeSizes:
        with self._busy:
            try:
                child_exit, result = self._exchange_twice(original, request)
            except ServerLost as error:
                raise DecoderCrashed("the process that starts decoders died") from error
        self.last_exit = child_exit
        failure = describe_exit(child_exit, request.recipe.limits)
        if failure is not None:
            raise failure
        return parse_result(result, recipe=request.recipe)

    def _exchange_twice(self, original: bytes, request: Request) -> tuple[ChildExit, bytes]:
        """Send the request; if the server is lost, start another one and send it again."""
        try:
            return self._exchange_once(original, request)
        except ServerLost:
            return self._exchange_once(original, request)

    def _exchange_once(self, original: bytes, request: Request) -> tuple[ChildExit, bytes]:
        server = self._running()
        try:
            return _exchange(server.control, original, request)
        except (OSError, ServerLost) as error:
            self._stop()
            raise ServerLost(str(error)) from error
        except BaseException:
            # An interrupted exchange leaves a result in the socket that the next one would read.
            self._stop()
            raise

    def _running(self) -> _Server:
        if self._server is None:
            self._server = _start()
        return self._server

    def _stop(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.control.close()
        # The children die with their server.
        server.process.kill()
        server.process.wait()


def describe_exit(child_exit: ChildExit, limits: Limits) -> UnprocessablePhoto | None:
    """Return the error for a child that exited without a result; None if it succeeded."""
    if child_exit.is_timed_out:
        return TimeLimitExceeded(f"making its sizes took more than {limits.elapsed_seconds_max} s")
    code = os.waitstatus_to_exitcode(child_exit.status)
    if code == 0:
        return None
    if code > 0:
        return DecoderCrashed("the decoder exited without a result")
    is_out_of_time = child_exit.cpu_seconds >= limits.cpu_seconds_max
    if -code == signal.SIGXCPU or (-code == signal.SIGKILL and is_out_of_time):
        return ProcessorTimeExceeded(
            f"making its sizes took more than {limits.cpu_seconds_max} s of processor time"
        )
    if -code == signal.SIGKILL:
        return DecoderCrashed("the decoder was killed, most likely because memory ran out")
    return DecoderCrashed(f"the decoder crashed (signal {-code})")


def _start() -> _Server:
    own_end, server_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with server_end:
        process = subprocess.Popen(  # noqa: S603  fixed arguments: this package's own module
            [
                sys.executable,
                "-s",
                "-P",
                "-m",
                "imageworker.sandbox.fork_server",
                str(server_end.fileno()),
            ],
            pass_fds=(server_end.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=_clean_environment(),
            cwd="/",
            start_new_session=True,
        )
    own_end.settimeout(STARTING_SECONDS_MAX)
    try:
        sandbox_status = SandboxStatus(**json.loads(_receive(own_end)))
    except (OSError, ServerLost) as error:
        own_end.close()
        process.kill()
        process.wait()
        raise ServerLost("the fork server did not start") from error
    return _Server(process, own_end, sandbox_status)


def _clean_environment() -> dict[str, str]:
    """Return the environment of the server: the path of the code, and settings of malloc."""
    return {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "LANG": "C.UTF-8",
        # Each arena reserves 64 MiB of the address space that a child is limited to.
        "MALLOC_ARENA_MAX": "1",
        # A child touches all memory of its pixels for the first time. Huge pages save a third of
        # its processor time.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }


def _exchange(control: socket.socket, original: bytes, request: Request) -> tuple[ChildExit, bytes]:
    limits = request.recipe.limits
    deadline = time.monotonic() + limits.elapsed_seconds_max + SERVER_GRACE_SECONDS
    result_pipe, child_end = os.pipe()
    try:
        with _memory_file(original) as original_file:
            try:
                socket.send_fds(control, [pickle.dumps(request)], [original_file, child_end])
            finally:
                os.close(child_end)
        result = _read_result(result_pipe, deadline, bytes_max=limits.result_bytes_max)
    finally:
        os.close(result_pipe)
    control.settimeout(max(0.1, deadline - time.monotonic()))
    return ChildExit(**json.loads(_receive(control))), result


def _read_result(pipe: int, deadline: float, *, bytes_max: int) -> bytes:
    """Read the pipe until its other end is closed, or until it exceeds `bytes_max`."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    chunks, length = [], 0
    while length <= bytes_max:
        if not poll.poll(1000 * max(0.0, deadline - time.monotonic())):
            raise ServerLost("no result in time")
        chunk = os.read(pipe, _READ_BYTES)
        if not chunk:
            break
        chunks.append(chunk)
        length += len(chunk)
    return b"".join(chunks)


def _receive(control: socket.socket) -> bytes:
    packet = control.recv(PACKET_BYTES_MAX)
    if not packet:
        raise ServerLost("the fork server closed the connection")
    return packet


@contextlib.contextmanager
def _memory_file(data: bytes) -> Iterator[int]:
    """Hold the bytes in an anonymous file in memory until the block exits."""
    descriptor = os.memfd_create("original", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield descriptor
    finally:
        os.close(descriptor)
