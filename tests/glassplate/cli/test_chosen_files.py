"""The files that `put -r` takes for photos by their names."""

import pytest

from glassplate.cli.options.chosen_files import choose_files
from volumes.formats import FILE_SUFFIXES
from volumes.photo_path import EXTENSIONS

SUFFIXES = [suffix for suffixes in FILE_SUFFIXES.values() for suffix in suffixes]


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".HIF", ".Jfif"])
def test_every_name_of_an_accepted_format_is_a_photo(tmp_path, suffix):
    """In upper case also."""
    (tmp_path / f"a{suffix}").write_bytes(b"")
    (tmp_path / "a.txt").write_bytes(b"")
    chosen = choose_files([tmp_path], recursive=True)
    assert [file.name for file in chosen.files] == [f"a{suffix}"]
    assert [file.name for file in chosen.skipped] == ["a.txt"]


def test_each_format_has_names_and_each_name_one_format():
    """There is one table for the client and the paths of photos."""
    assert tuple(FILE_SUFFIXES) == EXTENSIONS
    assert len(SUFFIXES) == len(set(SUFFIXES))
    assert {".hif", ".jfif", ".jpe", ".mpo", ".avifs"} <= set(SUFFIXES)
