"""Events reach every watcher in order, and a watcher can resume after a disconnect."""

import asyncio
import json

import pytest

from permission_urls import Key, KeyRing, KeyState
from storagemaster.events import events as events_module
from storagemaster.events.events import Event, Events, TooManyWatchers
from storagemaster.events.relay import parse_message, render_message
from volumes.photo_path import parse_photo_version

KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32)), state=KeyState.SIGNING),))
OTHER_KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(1, 33)), state=KeyState.SIGNING),))
OF = parse_photo_version("42/01jd3x8m2c9qp4k7/3fz8qd")


def event(number=0, **parts):
    """Return an event; its number determines the photo."""
    fields = {"volume": 42, "photo": f"{number:016d}", "version": "3fz8qd", "state": "ready"}
    return Event(**{**fields, **parts})


def delivered(watch):
    """Return the events that a watch holds."""
    return [each.event for each in watch.numbered]


def test_a_watch_gets_every_event_after_its_start():
    """Earlier events are not delivered."""
    events = Events("boot")
    events.publish(event(1))
    with events.watching() as first:
        events.publish(event(2))
        with events.watching() as second:
            events.publish_remote(event(3))
    assert delivered(first) == [event(2), event(3)]
    assert delivered(second) == [event(3)]


def test_a_watch_resumes_after_its_last_id():
    """No event is repeated or lost."""
    events = Events("boot")
    with events.watching() as watch:
        for number in range(5):
            events.publish(event(number))
        seen = events.id_of(watch.numbered[1])
    with events.watching(after=seen) as watch:
        assert delivered(watch) == [event(2), event(3), event(4)]
        assert not watch.missed_events


@pytest.mark.parametrize(
    "after",
    ["other-1", "boot-", "boot-x", "boot-99", "boot--1", "7", "-", "boot-" + "9" * 5000],
    ids=range(8),
)
def test_an_unknown_id_gets_all_known_events(after):
    """The watch is marked, because events may be missing."""
    events = Events("boot")
    events.publish(event(1))
    with events.watching(after=after) as watch:
        assert watch.missed_events
        assert delivered(watch) == [event(1)]


def test_an_id_older_than_the_window_has_missed_events(monkeypatch):
    """The window drops the oldest events first."""
    monkeypatch.setattr(events_module, "WINDOW_MAX", 3)
    events = Events("boot")
    for number in range(1, 7):
        events.publish(event(number))
        events._window = type(events._window)(events._window, maxlen=3)
    with events.watching(after="boot-2") as watch:
        assert watch.missed_events
    with events.watching(after="boot-3") as watch:
        assert not watch.missed_events
        assert delivered(watch) == [event(4), event(5), event(6)]


def test_a_watcher_that_reads_nothing_is_disconnected(monkeypatch):
    """It can resume after its last id."""
    monkeypatch.setattr(events_module, "WINDOW_MAX", 3)
    events = Events("boot")
    with events.watching() as watch:
        for number in range(4):
            assert not watch.is_over
            events.publish(event(number))
        assert watch.is_over


def test_watchers_are_limited(monkeypatch):
    """A watcher beyond the limit must come back later."""
    monkeypatch.setattr(events_module, "WATCHERS_MAX", 1)
    events = Events("boot")
    with events.watching(), pytest.raises(TooManyWatchers):
        events.watching().__enter__()
    with events.watching() as watch:
        assert not watch.is_over


def test_local_listeners_get_only_local_events():
    """Other storagemasters handle their own events."""
    events, own = Events("boot"), []
    events.subscribe_local(own.append)
    events.publish_remote(event(1))
    events.publish(event(2))
    assert own == [event(2)]


def test_the_delete_of_a_photo_applies_to_all_versions():
    """Its event has no version."""
    deleted = event(volume=OF.volume, photo=OF.photo, version="", state="deleted")
    assert deleted.is_of(OF)
    assert not event(volume=OF.volume, photo=OF.photo, version="zzzzzz").is_of(OF)
    assert not event(volume=1, photo=OF.photo).is_of(OF)


def test_a_relayed_event_can_be_parsed():
    """A storagemaster ignores its own events."""
    message = render_message(event(1, reason="too large, r\xe9ally"), "mine", KEYS)
    assert parse_message(message, "theirs", KEYS) == event(1, reason="too large, r\xe9ally")
    assert parse_message(message, "mine", KEYS) is None


def test_forged_events_are_dropped():
    """Access to Valkey does not suffice to publish events."""
    message = render_message(event(1), "mine", OTHER_KEYS)
    other = json.loads(render_message(event(1), "mine", KEYS))
    other["event"] = json.dumps({**json.loads(other["event"]), "state": "deleted"})
    for data in (message, json.dumps(other), b"", b"[]", b"\xff", json.dumps({"event": 1})):
        assert parse_message(data, "theirs", KEYS) is None


async def test_a_closed_watch_wakes_and_ends():
    """A storagemaster can then stop."""
    events, woken = Events("boot"), asyncio.Event()
    with events.watching() as watch:
        watch.wake = woken.set
        events.close()
        await woken.wait()
        assert watch.is_over
    with events.watching() as late:
        assert late.is_over
