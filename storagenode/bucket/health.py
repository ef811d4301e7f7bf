"""The write state of a bucket, from periodic probes in the background."""

import logging
import threading
import time
from collections.abc import Callable

from storagenode.protocol.errors import BucketUnavailable, DiskSuspect, NodeError
from storagenode.store import Condition, RootRefused

log = logging.getLogger(__name__)

PROBE_SECONDS = 5.0


class BucketHealth:
    """The state of one bucket. Unlike a disk, a bucket can recover without a restart."""

    def __init__(
        self, read_marker: Callable[[], object], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read_marker = read_marker
        self._clock = clock
        self._probed_seconds = clock()
        self._lock = threading.Lock()
        self._is_intact = True
        self._reason = ""

    def condition(self) -> Condition:
        """Return the last known state; start a probe in the background if it is old."""
        with self._lock:
            is_due = self._clock() - self._probed_seconds > PROBE_SECONDS
            if is_due:
                self._probed_seconds = self._clock()
        if is_due:
            threading.Thread(target=self.probe, name="bucket-probe", daemon=True).start()
        return Condition(accepts_new_photos=not self._reason, suspect_reason=self._reason)

    @property
    def is_intact(self) -> bool:
        """True if the marker was this node's when it was last read."""
        return self._is_intact

    def check_marker(self) -> None:
        """Raise `DiskSuspect` if the bucket is not the one that was opened."""
        if not self._is_intact:
            raise DiskSuspect(self._reason)

    def probe(self) -> None:
        """Read the marker and store the result."""
        before = self._reason
        try:
            self._read_marker()
        except RootRefused as error:
            self._is_intact, self._reason = False, str(error)
        except (NodeError, BucketUnavailable) as error:
            self._reason = str(error)
        else:
            self._is_intact, self._reason = True, ""
        if self._reason != before:
            log.warning(
                "bucket state changed: %s", self._reason or "the bucket accepts writes again"
            )
