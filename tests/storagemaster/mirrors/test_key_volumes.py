"""The volume of an Idempotency-Key follows from the key and the map alone."""

import functools
import hashlib
import os
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from storagemaster.mirrors.key_volumes import KeyVolumes
from volumes.cluster import Volume
from volumes.photo_id import PhotoId, derive_photo_id
from volumes.volume_state import VolumeState

SCRIPT = """
from tests.storagemaster.mirrors.test_key_volumes import own, photos_of_keys
print(own(range(1, 9), photos_of_keys(100)))
"""
MANY = 20_000


@functools.cache
def photos_of_keys(count):
    """Return the photos of some keys."""
    return [derive_photo_id(f"{n}", application="a", secret=b"s")[0] for n in range(count)]


def key_volumes(numbers, *, closed=()):
    """Return the key volumes of a map with these volumes."""
    states = {n: VolumeState.CLOSED if n in closed else VolumeState.OPEN for n in numbers}
    return KeyVolumes(
        SimpleNamespace(
            volumes={n: Volume(number=n, mirrors=(), state=state) for n, state in states.items()}
        )
    )


def own(numbers, photos):
    """Return the numbers of the photos' own volumes."""
    volumes = key_volumes(numbers)
    return [volumes.of(photo)[-1].number for photo in photos]


@functools.cache
def own_of_many():
    """Return the numbers of the own volumes of many photos, of eight volumes."""
    return own(range(1, 9), photos_of_keys(MANY))


def test_the_volumes_of_keys_are_fixed():
    """They must never change in any release, or keys would forget their photos."""
    photos = [PhotoId("fv9z2vv93sqhjmen"), PhotoId("0123456789abcdef"), PhotoId("z" * 16)]
    assert own(range(1, 9), photos) == [7, 3, 3]
    assert own(range(1, 2000), photos) == [616, 791, 1512]
    of_all = hashlib.sha256(bytes(own_of_many())).hexdigest()
    assert of_all == "68e9fcff110000ae11bba557f6e177d55d1eea6c5b47d2cfec2fc0ffe5f6f770"


def positions(text, count):
    """Return the positions of a volume's points, or of a photo's probes, on the circle."""
    digest = hashlib.shake_128(text.encode()).digest(8 * count)
    return [int.from_bytes(digest[8 * n :][:8], "little") for n in range(count)]


@pytest.mark.parametrize(("numbers", "photos"), [(range(1, 9), 200), ((1211, 1329, 1601), 1000)])
def test_volumes_are_ordered_by_the_shortest_way_from_a_probe_to_one_of_their_points(
    numbers, photos
):
    """This is the definition, computed without a search. Some volumes begin the circle."""
    points = {n: [p >> 16 << 16 | n for p in positions(f"volume {n}", 32)] for n in numbers}
    open_, closed = key_volumes(numbers), key_volumes(numbers, closed=numbers)
    for photo in photos_of_keys(photos):
        probes = positions(photo, 16)
        weights = {
            n: min((point - probe) % 2**64 for point in own_points for probe in probes)
            for n, own_points in points.items()
        }
        order = sorted(weights, key=weights.__getitem__)
        assert open_.of(photo)[-1].number == order[0]
        assert [volume.number for volume in closed.of(photo)] == order


def test_the_order_of_the_config_does_not_matter():
    """Storagemasters with the same volumes agree."""
    photos = photos_of_keys(1000)
    assert own(range(1, 30), photos) == own(reversed(range(1, 30)), photos)


def test_every_process_chooses_the_same_volumes():
    """The choice does not depend on the hashes of a process."""
    printed = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed == f"{own(range(1, 9), photos_of_keys(100))}\n"


def test_keys_are_spread_evenly():
    """Each of eight volumes gets an eighth of 20,000 keys, within 10 %."""
    counts = Counter(own_of_many())
    assert set(counts) == set(range(1, 9))
    assert all(2250 < count < 2750 for count in counts.values())


def test_a_new_volume_takes_over_its_share_of_the_keys_only():
    """No key moves between the other volumes."""
    photos = photos_of_keys(MANY)
    before, after = own((1, 2, 4, 5), photos), own((1, 2, 3, 4, 5), photos)
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {3}
    assert 3600 < len(moved) < 4400


def test_a_closed_volume_is_searched_and_the_next_one_stores():
    """Keys that were used before a volume was closed find their photos there."""
    volumes = key_volumes(range(1, 9), closed=(3, 5))
    for photo, old in zip(photos_of_keys(2000), own_of_many(), strict=False):
        candidates = [volume.number for volume in volumes.of(photo)]
        assert candidates[-1] not in {3, 5}
        assert candidates[0] == old
        assert set(candidates[:-1]) <= {3, 5}


def test_closed_volumes_are_searched_in_the_order_in_which_they_would_store():
    """The order of a photo is that of its own volumes, if each is removed in turn."""
    for photo in photos_of_keys(200):
        order, left = [], set(range(1, 9))
        while left:
            order += own(left, [photo])
            left.remove(order[-1])
        for closed in range(9):
            volumes = key_volumes(range(1, 9), closed=order[:closed]).of(photo)
            assert [volume.number for volume in volumes] == order[: closed + 1]


def test_a_map_without_volumes_has_none_for_a_key():
    """A token can name volumes that are not in the map."""
    assert key_volumes(()).of(photos_of_keys(1)[0]) == ()


def test_without_an_open_volume_the_closed_ones_are_searched():
    """Retries still find their photos, and nothing new can be stored."""
    volumes = key_volumes((1, 2), closed=(1, 2)).of(photos_of_keys(1)[0])
    assert {volume.number for volume in volumes} == {1, 2}
