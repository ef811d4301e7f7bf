"""Plain writes, the baseline of ingest."""

from bench.bare_writes import COPIES, make_directories, write_all


def test_every_photo_is_written_twice(tmp_path):
    """Each run writes every photo to both copies, under its own names."""
    photos = [bytes([number]) * 500 for number in range(20)]
    make_directories(tmp_path)
    for run in (1, 2):
        assert write_all(tmp_path, photos, run=run) > 0
    for copy in COPIES:
        written = [path.read_bytes() for path in (tmp_path / copy).rglob("*") if path.is_file()]
        assert sorted(written) == sorted(photos * 2)
