"""Each check of `glassplate doctor` finds what it is for, and says what to do."""

import os
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from glassplate.doctor import machine
from glassplate.doctor.agreement import (
    check_agreed,
    check_fsyncs,
    check_limits,
    check_status,
    check_version,
    parse_samples,
)
from glassplate.doctor.finding import Verdict
from glassplate.doctor.machine import KEY_DAYS_MAX, check_disks, check_key_ages
from permission_urls import Purpose, generate_keys
from storagenode.disk.marker import mark_root
from storagenode.protocol.agreement import Agreed

OWN = Agreed(map="abc", keys="def", tls="on")
NODE = {"id": "east-1", "up": True, "read_up": True, "reason": "", "fenced_volumes": [],
        "clock_difference_seconds": 0.0}  # fmt: skip
EDGE = {"id": "east-nginx", "up": True, "purge_up": True, "clock_difference_seconds": None}
STATUS = {"nodes": [NODE], "edges": [EDGE], "queues": {"new": 0}, "workers_alive": 2, "alerts": [],
          "tls": {"certificates": []}}  # fmt: skip
TODAY = date(2026, 1, 30)


def problems(findings):
    """Return verdict and text of each finding that is not ok, by its id; all say what to do."""
    bad = [each for each in findings if each.verdict is not Verdict.OK]
    assert all(each.do for each in bad)
    return {each.id: (str(each.verdict), each.found) for each in bad}


def test_another_version():
    """A process that was not upgraded."""
    for version, expected in (("1.2", {}), ("1.1", {"version/m": ("warn", "it has version 1.1")})):
        samples = parse_samples(f'glassplate_process_info{{version="{version}"}} 1.0\n')
        assert problems(check_version("m", samples, version="1.2")) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (OWN, {}),
        (replace(OWN, map="old"), {"map/m": ("fail", "its digest is old")}),
        (replace(OWN, tls="off"), {"tls/m": ("fail", "it has off")}),
        (replace(OWN, keys=""), {"url-keys/m": ("fail", "its digest is unknown")}),
    ],
)
@pytest.mark.parametrize("is_edge", [False, True])
def test_another_map_or_other_keys(found, expected, is_edge):
    """Every process and every edge must have the map and the keys of this machine."""
    assert problems(check_agreed("m", found, OWN, is_edge=is_edge)) == expected


def test_few_open_files():
    """A port that accepts fewer than a thousand connections."""
    text = 'glassplate_connections_max{port="read"} %d\n'
    assert problems(check_limits("n", parse_samples(text % 1000))) == {}
    assert problems(check_limits("n", parse_samples(text % 200))) == {
        "open-files/n/read": ("warn", "at most 200")
    }


def test_slow_fsyncs():
    """Two of a hundred that the node measured took longer than a quarter of a second."""
    name = "glassplate_disk_fsync_duration_seconds_bucket"
    text = f'{name}{{le="0.25"}} %d\n{name}{{le="1"}} 100\n{name}{{le="+Inf"}} 100\n'
    assert problems(check_fsyncs("n", parse_samples(text % 99))) == {}
    assert problems(check_fsyncs("n", parse_samples(text % 98))) == {
        "fsync/n": ("warn", "2 % of 100 take longer")
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"up": False, "reason": "refused"}, {"node/east-1": ("fail", "refused")}),
        ({"read_up": False}, {"node/east-1": ("fail", "its read port does not respond")}),
        ({"reason": "EIO"}, {"node/east-1": ("fail", "it takes no writes: EIO")}),
        ({"fenced_volumes": [1]}, {"fence/east-1": ("warn", "1 volume waits for tombstones")}),
        ({"fenced_volumes": [1, 2]}, {"fence/east-1": ("warn", "2 volumes wait for tombstones")}),
        ({"clock_difference_seconds": -2.5}, {"clock/east-1": ("fail", "it differs by -2.5 s")}),
    ],
)
def test_a_node_that_is_not_well(change, expected):
    """Down, unreadable, suspect, fenced, or with a wrong clock."""
    assert problems(check_status({**STATUS, "nodes": [{**NODE, **change}]})) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"up": False}, {"edge/east-nginx": ("fail", "its listen port does not respond")}),
        ({"purge_up": False}, {"edge/east-nginx": ("fail", "its purge port does not respond")}),
    ],
)
def test_an_edge_that_is_not_well(change, expected):
    """One of its ports does not respond."""
    assert problems(check_status({**STATUS, "edges": [{**EDGE, **change}]})) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"queues": None}, {"workers": ("fail", "the storagemaster does not reach the queue")}),
        ({"workers_alive": 0}, {"workers": ("fail", "no worker is alive")}),
        ({"alerts": ["a disk is full"]}, {"alert": ("warn", "a disk is full")}),
    ],
)
def test_sizes_that_are_not_made(change, expected):
    """No queue, no worker, or an alert of the storagemaster."""
    assert problems(check_status({**STATUS, **change})) == expected


def test_keys_that_signed_for_long():
    """A day after the limit; a key without a day is unknown, and one of photo ids is never old."""
    keys = generate_keys(os.urandom)
    begun = TODAY - timedelta(days=KEY_DAYS_MAX)
    assert problems([check_key_ages(keys.made_on(begun), TODAY)]) == {}
    old = keys.only([Purpose.READ, Purpose.PHOTO_ID]).made_on(begun - timedelta(days=1))
    found = {"key-age": ("warn", "a of read, made 2024-12-25")}
    assert problems([check_key_ages(old, TODAY)]) == found
    unknown = {"key-age": ("unknown", "no day is recorded of: read")}
    assert problems([check_key_ages(keys.only([Purpose.READ]), TODAY)]) == unknown


@pytest.fixture(name="disk")
def _disk(tmp_path, monkeypatch):
    """Return a function: the problems that the checks of one fast disk find."""
    monkeypatch.setattr(machine, "_fsync_seconds", lambda _: 0.001)
    root = tmp_path / "east-1"
    node = SimpleNamespace(id="east-1", colo="east", uuid="", bucket=None, store=str(root))
    mark_root(root, node)
    cluster = SimpleNamespace(nodes={"east-1": node})
    return lambda: problems(check_disks(cluster))


def statvfs(**changes):
    """Return a function like `os.statvfs` whose results have some other values."""
    real = os.statvfs

    def changed(path):
        values = real(path)
        names = ("f_flag", "f_files", "f_favail")
        return SimpleNamespace(**{name: getattr(values, name) for name in names} | changes)

    return changed


def test_a_disk_that_is_read_only_or_has_no_inodes(disk, monkeypatch):
    """As statvfs reports it."""
    assert disk() == {}
    monkeypatch.setattr(machine.os, "statvfs", statvfs(f_files=1000, f_favail=49))
    assert disk() == {"inodes/east-1": ("warn", "49 of 1000 are free")}
    monkeypatch.setattr(machine.os, "statvfs", statvfs(f_flag=os.ST_RDONLY))
    assert disk() == {"mount/east-1": ("fail", "it is mounted read-only")}


def test_a_disk_without_extended_attributes(disk, monkeypatch):
    """Digests could not be recorded."""

    def refuse(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr(machine.os, "setxattr", refuse)
    assert disk() == {"xattr/east-1": ("fail", "it does not")}


def test_a_disk_that_syncs_slowly(disk, monkeypatch):
    """The slowest of some fsyncs counts."""
    seconds = iter([0.01] * 9 + [0.25])
    monkeypatch.setattr(machine, "_fsync_seconds", lambda _: next(seconds))
    assert disk() == {"fsync/east-1/here": ("warn", "the slowest of 10 took 250.0 ms")}
