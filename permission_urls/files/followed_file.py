"""A file whose changes a running process follows within a second, with no task and no thread."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from permission_urls.errors import KeyRingError
from permission_urls.files.key_file import load_keys
from permission_urls.key_source import Keys
from permission_urls.keys import KeyRing
from permission_urls.purposes import Purpose

T = TypeVar("T")

CHECK_SECONDS = 1.0

log = logging.getLogger(__name__)


class FollowedFile(Generic[T]):
    """Value of a file, which is loaded again when the file has changed.

    A file that cannot be loaded any more is reported once, and the last value stays in use: a
    mistake in it must not stop a process, and a lost file must not make revoked tokens valid.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[Path], T],
        *,
        if_missing: T | None = None,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._load = load
        self._monotonic_seconds = monotonic_seconds
        self._seen = _identity(path)
        may_be_missing = self._seen is None and if_missing is not None
        self._value: T = if_missing if may_be_missing else load(path)  # type: ignore[assignment]
        self._next_check_seconds = monotonic_seconds() + CHECK_SECONDS

    def value(self) -> T:
        """Return the value of the file at most a second ago."""
        now = self._monotonic_seconds()
        if now >= self._next_check_seconds:
            self._next_check_seconds = now + CHECK_SECONDS
            self._check()
        return self._value

    def check_now(self) -> None:
        """Check the file at its next use, as SIGHUP requests."""
        self._next_check_seconds = 0.0

    def _check(self) -> None:
        found = _identity(self._path)
        if found == self._seen:
            return
        self._seen = found
        try:
            self._value = self._load(self._path)
        except (KeyRingError, OSError) as error:
            log.warning("%s is not followed, its last version is used: %s", self._path, error)
        else:
            log.info("%s was loaded again", self._path)


class FollowedKeys:
    """Keys of a file, which follow its changes.

    Raises:
        KeyRingError: The file cannot be used.
    """

    def __init__(
        self, path: Path, *, monotonic_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._file: FollowedFile[Keys] = FollowedFile(
            path, load_keys, monotonic_seconds=monotonic_seconds
        )
        self.check_now = self._file.check_now

    def ring(self, purpose: Purpose) -> KeyRing:
        """Return the ring of a purpose.

        Raises:
            InvalidKeys: The file lacks keys of this purpose.
        """
        return self._file.value().ring(purpose)


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return values that change when a file is replaced or written."""
    try:
        status = os.stat(path)  # noqa: PTH116  # called every second; pathlib is slower
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
