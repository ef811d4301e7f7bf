"""The used bytes of a node's disk over the last week, and the rate at which it fills.

The node records one line of text an hour, in `.space`, so that a restart of any process loses
nothing. Without the file, the history begins again.
"""

import logging
import re
import statistics
import threading
import time
from collections.abc import Callable

from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import SPACE_HISTORY
from storagenode.store import Store

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 3600.0
WINDOW_SECONDS = 7 * 24 * 3600.0
# The rate of a shorter time is that of one import, or of a night.
SPAN_SECONDS_MIN = 24 * 3600.0
DAY_SECONDS = 24 * 3600.0

_LINE = re.compile(rb"^([0-9]{1,12}) ([0-9]{1,18})$", re.MULTILINE)


class SpaceHistory:
    """The history of one disk. A bucket has none."""

    def __init__(self, store: Store, *, now_seconds: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now_seconds = now_seconds
        self._lock = threading.Lock()
        lines = _LINE.findall(store.load_state(SPACE_HISTORY)) if store.is_local else []
        self._samples = [(int(seconds), int(used)) for seconds, used in lines]

    def record(self) -> None:
        """Add the present used bytes, if the last sample is old enough."""
        now = self._now_seconds()
        with self._lock:
            # A clock that was ahead has left samples of the future.
            kept = [each for each in self._samples if now - WINDOW_SECONDS <= each[0] <= now]
            if not self._store.is_local or (kept and now - kept[-1][0] < SAMPLE_SECONDS):
                return
            space = self._store.space()
            kept.append((int(now), space.total_bytes - space.free_bytes))
            self._samples = kept
            text = "".join(f"{seconds} {used}\n" for seconds, used in kept)
        try:
            self._store.save_state(SPACE_HISTORY, text.encode())
        except (NodeError, OSError) as error:
            log.debug("the history of the used space was not saved: %s", error)

    def filled_bytes_per_day(self) -> float | None:
        """Return the slope of the samples, negative if space became free; None if too short."""
        samples = self._samples
        if not samples or samples[-1][0] - samples[0][0] < SPAN_SECONDS_MIN:
            return None
        seconds, used = zip(*samples, strict=True)
        return statistics.linear_regression(seconds, used).slope * DAY_SECONDS
