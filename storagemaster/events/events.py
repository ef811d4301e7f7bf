"""Events of photos: uploaded with a ticket, ready, failed, or deleted.

Events are best effort. The state of a photo is on the disks. A window of recent events stays in
memory for watchers that reconnect, and publishing never waits for a watcher.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from runtime.request_scope import current_request_id
from volumes.json_text import parse_whole_number
from volumes.photo_path import PhotoVersion

WINDOW_MAX = 2_000
WATCHERS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A change of the state of a photo."""

    volume: int
    photo: str
    version: str
    """Empty when all versions of a photo are deleted."""
    state: str
    """`uploaded`, `ready`, `failed` or `deleted`."""
    reason: str = ""
    ref: str = ""
    """The application's own reference, only of a photo that was uploaded with a ticket."""
    request_id: str = field(default_factory=current_request_id)
    """The request that led to the event; that of the upload, if a worker made the sizes for it."""

    def is_of(self, photo_version: PhotoVersion) -> bool:
        """Return True if the event applies to this version."""
        is_same_photo = (self.volume, self.photo) == (photo_version.volume, photo_version.photo)
        return is_same_photo and self.version in {"", photo_version.version}


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """An event with its number in the order of this storagemaster."""

    number: int
    event: Event


@dataclass(slots=True)
class Watch:
    """Undelivered events of one watcher; `missed_events` is True if earlier ones were lost."""

    missed_events: bool
    numbered: deque[NumberedEvent] = field(default_factory=deque)
    wake: Callable[[], None] = lambda: None
    is_over: bool = False


class TooManyWatchers(Exception):
    """The number of watchers is at its maximum."""


class Events:
    """The events that one storagemaster knows.

    Event ids contain `boot`, which is unique to this process.
    """

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._last = 0
        self._window: deque[NumberedEvent] = deque(maxlen=WINDOW_MAX)
        self._watches: list[Watch] = []
        self._local_listeners: list[Callable[[Event], None]] = []
        self._is_over = False

    def publish(self, event: Event) -> None:
        """Publish an event of this storagemaster to all watchers and local listeners."""
        self.publish_remote(event)
        for listen in self._local_listeners:
            listen(event)

    def publish_remote(self, event: Event) -> None:
        """Publish an event of another storagemaster to all watchers."""
        self._last += 1
        numbered = NumberedEvent(self._last, event)
        self._window.append(numbered)
        for watch in self._watches:
            watch.numbered.append(numbered)
            if len(watch.numbered) > WINDOW_MAX:
                watch.is_over = True
            watch.wake()

    def subscribe_local(self, listen: Callable[[Event], None]) -> None:
        """Call a function with every event that this storagemaster itself publishes."""
        self._local_listeners.append(listen)

    def id_of(self, numbered: NumberedEvent) -> str:
        """Return the id that a watcher sends to resume after an event."""
        return f"{self._boot}-{numbered.number}"

    @contextlib.contextmanager
    def watching(self, *, after: str = "") -> Iterator[Watch]:
        """Yield a watch that starts after the event with the id `after`, if the window has it.

        Raises:
            TooManyWatchers: The number of watchers is at its maximum.
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
        """End all watches, and every later one at once."""
        self._is_over = True
        for watch in self._watches:
            watch.is_over = True
            watch.wake()

    def _watch_after(self, after: str) -> Watch:
        if not after:
            return Watch(missed_events=False)
        boot, _, number = after.rpartition("-")
        first = self._window[0].number if self._window else self._last + 1
        try:
            last_sent = parse_whole_number(number)
        except ValueError:
            last_sent = -1
        if boot != self._boot or not first - 1 <= last_sent <= self._last:
            return Watch(missed_events=True, numbered=deque(self._window))
        missed = [each for each in self._window if each.number > last_sent]
        return Watch(missed_events=False, numbered=deque(missed))
