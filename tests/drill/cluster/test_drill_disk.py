"""A drill reads the disks of nodes while these run, and no load fills them."""

import os

from drill.cluster.drill_cluster import small_disk_bytes
from drill.cluster.stores import RawDisk

HINT = ".hints/east-1/1/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg"


def test_a_folder_that_a_node_removes_meanwhile_is_left_out(tmp_path, monkeypatch):
    """Delivered hints leave empty folders, which the node removes."""
    hints = [tmp_path / HINT.replace("1/k7", f"{volume}/k7") for volume in (1, 2)]
    for hint in hints:
        hint.parent.mkdir(parents=True)
        hint.write_bytes(b"photo")
    scandir = os.scandir

    def remove_and_scan(path):
        if os.fspath(path) == str(hints[1].parent):
            hints[1].unlink()
            hints[1].parent.rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", remove_and_scan)
    assert list(RawDisk(tmp_path).leftovers()) == [HINT]


def test_the_small_disk_has_room_for_a_long_load():
    """A full one keeps the mirrors from being equal, which looks like a fault of the cluster."""
    stored_bytes_per_second = 2_000_000
    assert small_disk_bytes(600) > 600 * stored_bytes_per_second
    assert small_disk_bytes(10) == 256 * 2**20
