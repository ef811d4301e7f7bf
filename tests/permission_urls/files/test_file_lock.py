"""Lock of a file: no change of two commands at once is lost."""

import random
import threading

import pytest

from permission_urls import TokenRecord, generate_token_id, load_tokens, save_tokens
from permission_urls.files.file_lock import locked


def test_no_change_of_several_writers_is_lost(tmp_path):
    """Each loads the records, adds one, and replaces the file."""
    path = tmp_path / "tokens.toml"
    ids = [generate_token_id(random.Random(seed).randbytes) for seed in range(40)]

    def add(own):
        for id_ in own:
            with locked(path):
                records = [*load_tokens(path).values(), TokenRecord(id=id_, revoked=True)]
                save_tokens(path, records, now_seconds=0)

    threads = [threading.Thread(target=add, args=(ids[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(load_tokens(path)) == sorted(ids)


def test_the_lock_ends_with_an_error(tmp_path):
    """A command that fails blocks no other."""
    path = tmp_path / "keys.toml"
    with pytest.raises(ValueError, match="wrong"), locked(path):
        raise ValueError("wrong")
    with locked(path):
        pass
