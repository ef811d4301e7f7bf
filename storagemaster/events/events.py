"""Events: that a photo is ready, has failed or was deleted, for all who want to know at once.

They are hints, as the queue is: the last ones are kept in memory for whoever lost the connection,
and nothing waits for anybody. What has become of a photo is on the disks.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from volumes.photo_path import PhotoVersion

WINDOW_MAX = 2_000
WATCHERS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that has become of a photo."""

    volume: int
    photo: str
    version: str
    """Empty when all versions of a photo are deleted."""
    state: str
    """`ready`, `failed` or `deleted`."""
    reason: str = ""

    def is_of(self, photo_version: PhotoVersion) -> bool:
        """Whether it is about this version."""
        mine = (self.volume, self.photo) == (photo_version.volume, photo_version.photo)
        return mine and self.version in {"", photo_version.version}


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """An event with its place in the order in which this storagemaster heard of them."""

    number: int
    event: Event


@dataclass(slots=True)
class Watch:
    """Undelivered events of one watcher. `missed_events` is True if earlier ones were lost."""

    missed_events: bool
    numbered: deque[NumberedEvent] = field(default_factory=deque)
    wake: Callable[[], None] = lambda: None
    is_over: bool = False


class TooManyWatchers(Exception):
    """As many watch already as this storagemaster can tell."""


class Events:
    """The events that one storagemaster knows of. `boot` tells its numbers from any others'."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._last = 0
        self._window: deque[NumberedEvent] = deque(maxlen=WINDOW_MAX)
        self._watches: list[Watch] = []
        self._own_listeners: list[Callable[[Event], None]] = []
        self._is_over = False

    def publish(self, event: Event) -> None:
        """Tell of what this storagemaster did itself."""
        self.publish_remote(event)
        for listen in self._own_listeners:
            listen(event)

    def publish_remote(self, event: Event) -> None:
        """Tell of what another storagemaster did."""
        self._last += 1
        numbered = NumberedEvent(self._last, event)
        self._window.append(numbered)
        for watch in self._watches:
            watch.numbered.append(numbered)
            if len(watch.numbered) > WINDOW_MAX:
                watch.is_over = True
            watch.wake()

    def subscribe_local(self, listen: Callable[[Event], None]) -> None:
        """Have a function called with every event that this storagemaster publishes."""
        self._own_listeners.append(listen)

    def id_of(self, numbered: NumberedEvent) -> str:
        """What a watcher that was cut off gives to go on after an event."""
        return f"{self._boot}-{numbered.number}"

    @contextlib.contextmanager
    def watching(self, *, after: str = "") -> Iterator[Watch]:
        """A watch, which begins after the event of an id if it is still known.

        Raises:
            TooManyWatchers: Come back later.
        """
        if len(self._watches) >= WATCHERS_MAX:
            raise TooManyWatchers
        watch = self._watch_after(after)
        watch.is_over = self._is_over
        self._watches.append(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)

    def close(self) -> None:
        """End all watches, because the storagemaster stops."""
        self._is_over = True
        for watch in self._watches:
            watch.is_over = True
            watch.wake()

    def _watch_after(self, after: str) -> Watch:
        if not after:
            return Watch(missed_events=False)
        boot, _, number = after.rpartition("-")
        first = self._window[0].number if self._window else self._last + 1
        is_known = boot == self._boot and number.isascii() and number.isdigit()
        if not is_known or not first - 1 <= int(number) <= self._last:
            return Watch(missed_events=True, numbered=deque(self._window))
        missed = [each for each in self._window if each.number > int(number)]
        return Watch(missed_events=False, numbered=deque(missed))
