"""Making sizes in a child of its own for each photo, so that no photo can hurt the worker.

`SizesMaker` starts a fork server (see `fork_server`, and `sandbox` for what a child may not do),
hands it originals, and turns however a child ends into sizes or into words: a child that is killed
for its memory, its time or its crash is a photo that cannot be done, never an end of the worker.
Pillow itself is not loaded here.
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
from imageworker.processing_errors import DecoderCrashed, TimeLimitExceeded, UnprocessablePhoto
from imageworker.recipe import Limits, Recipe
from imageworker.sandbox.child_protocol import PACKET_BYTES_MAX, ChildExit, Request
from imageworker.sandbox.child_result import parse_result
from imageworker.sandbox.sandbox import SandboxStatus

STARTING_SECONDS_MAX = 30.0
# The server kills a child whose time is up; this is how much longer a hanging server is waited for.
PATIENCE_SECONDS = 5.0

_READ_BYTES = 1024 * 1024


class ServerLost(Exception):
    """The fork server died, hung, or cannot be started."""


@dataclass(slots=True)
class _Server:
    process: subprocess.Popen[bytes]
    control: socket.socket
    sandbox_status: SandboxStatus


class SizesMaker:
    """Makes sizes, a child a photo, one photo at a time; a context manager.

    Calls from several threads wait for each other. `last_end` says what the last child used.
    """

    def __init__(self) -> None:
        self._server: _Server | None = None
        self._busy = threading.Lock()
        self.last_end: ChildExit | None = None

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
        """Which walls stand around the children on this machine."""
        with self._busy:
            return self._running().sandbox_status

    def make(self, original: bytes, recipe: Recipe) -> MadeSizes:
        """All sizes of a photo, and its info.

        Raises:
            UnprocessablePhoto: They cannot be made; `TransientFailure` if they may be later.
        """
        return self._make(original, Request(recipe))

    def make_second_pass(self, original: bytes, recipe: Recipe) -> tuple[MadeVariant, ...]:
        """The variants whose encoding is slow, which the info has announced already.

        Raises:
            UnprocessablePhoto: They cannot be made; `TransientFailure` if they may be later.
        """
        return self._make(original, Request(recipe, is_second_pass=True)).variants

    def _make(self, original: bytes, request: Request) -> MadeSizes:
        with self._busy:
            try:
                end, answer = self._ask_twice(original, request)
            except ServerLost as error:
                raise DecoderCrashed("the process that starts decoders died") from error
        self.last_end = end
        undoable = describe_exit(end, request.recipe.limits)
        if undoable is not None:
            raise undoable
        return parse_result(answer, recipe=request.recipe)

    def _ask_twice(self, original: bytes, request: Request) -> tuple[ChildExit, bytes]:
        """Ask; where the server turns out to be dead, start another and ask once more."""
        try:
            return self._ask(original, request)
        except ServerLost:
            return self._ask(original, request)

    def _ask(self, original: bytes, request: Request) -> tuple[ChildExit, bytes]:
        server = self._running()
        try:
            return _exchange(server.control, original, request)
        except (OSError, ServerLost) as error:
            self._stop()
            raise ServerLost(str(error)) from error
        except BaseException:
            # Half an exchange leaves an answer on its way that the next one would take for its own.
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


def describe_exit(end: ChildExit, limits: Limits) -> UnprocessablePhoto | None:
    """Why a child that ended so has no answer, as words; None where it ended well."""
    if end.is_timed_out:
        return TimeLimitExceeded(f"making its sizes took more than {limits.elapsed_seconds_max} s")
    code = os.waitstatus_to_exitcode(end.status)
    if code == 0:
        return None
    if code > 0:
        return DecoderCrashed("the decoder ended without an answer")
    is_out_of_time = end.cpu_seconds >= limits.cpu_seconds_max
    if -code == signal.SIGXCPU or (-code == signal.SIGKILL and is_out_of_time):
        return TimeLimitExceeded(
            f"making its sizes took more than {limits.cpu_seconds_max} s of processor time"
        )
    if -code == signal.SIGKILL:
        return DecoderCrashed("the decoder was killed, most likely because memory ran out")
    return DecoderCrashed(f"the decoder crashed on it (signal {-code})")


def _start() -> _Server:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(  # noqa: S603  our own module, by our own interpreter
            [
                sys.executable,
                "-s",
                "-P",
                "-m",
                "imageworker.sandbox.fork_server",
                str(theirs.fileno()),
            ],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=_clean_environment(),
            cwd="/",
            start_new_session=True,
        )
    ours.settimeout(STARTING_SECONDS_MAX)
    try:
        sandbox_status = SandboxStatus(**json.loads(_receive(ours)))
    except (OSError, ServerLost) as error:
        ours.close()
        process.kill()
        process.wait()
        raise ServerLost("the fork server does not start") from error
    return _Server(process, ours, sandbox_status)


def _clean_environment() -> dict[str, str]:
    """What the server and its children are told: where our code is, and how to take memory."""
    return {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "LANG": "C.UTF-8",
        # Each arena reserves 64 MiB of the address space that a child is limited to.
        "MALLOC_ARENA_MAX": "1",
    }


def _exchange(control: socket.socket, original: bytes, request: Request) -> tuple[ChildExit, bytes]:
    limits = request.recipe.limits
    deadline = time.monotonic() + limits.elapsed_seconds_max + PATIENCE_SECONDS
    answer_pipe, childs_end = os.pipe()
    try:
        with _memory_file(original) as original_file:
            try:
                socket.send_fds(control, [pickle.dumps(request)], [original_file, childs_end])
            finally:
                os.close(childs_end)
        answer = _read_answer(answer_pipe, deadline, bytes_max=limits.answer_bytes_max)
    finally:
        os.close(answer_pipe)
    control.settimeout(max(0.1, deadline - time.monotonic()))
    return ChildExit(**json.loads(_receive(control))), answer


def _read_answer(pipe: int, deadline: float, *, bytes_max: int) -> bytes:
    """All that comes through the pipe until its other end is closed, or is too much to be true."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    pieces, length = [], 0
    while length <= bytes_max:
        if not poll.poll(1000 * max(0.0, deadline - time.monotonic())):
            raise ServerLost("no answer in time")
        chunk = os.read(pipe, _READ_BYTES)
        if not chunk:
            break
        pieces.append(chunk)
        length += len(chunk)
    return b"".join(pieces)


def _receive(control: socket.socket) -> bytes:
    packet = control.recv(PACKET_BYTES_MAX)
    if not packet:
        raise ServerLost("the fork server hung up")
    return packet


@contextlib.contextmanager
def _memory_file(data: bytes) -> Iterator[int]:
    """A file of these bytes that is on no disk and has no name."""
    descriptor = os.memfd_create("original", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield descriptor
    finally:
        os.close(descriptor)
