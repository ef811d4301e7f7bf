"""Reading `cluster.toml` from a disk: its relative paths are relative to where it is."""

import pytest

from tests.volumes.test_cluster_config import FULL, SMALLEST
from volumes.cluster_file import load_cluster
from volumes.config_reader import InvalidConfig


@pytest.fixture(name="config")
def _config(tmp_path):
    path = tmp_path / "site" / "cluster.toml"
    path.parent.mkdir()
    path.write_text(FULL)
    return path


def test_relative_paths_are_below_the_folder_of_the_config(config):
    """Wherever the process was started."""
    cluster = load_cluster(config)
    assert cluster.keys_file == str(config.parent / "keys.toml")
    assert cluster.nodes["east-1"].store == str(config.parent / "east-1")


def test_absolute_paths_and_buckets_stay_as_they_are(config):
    """They are not below anything."""
    cluster = load_cluster(config)
    assert cluster.nodes["west-2"].store == "/srv/west-2"
    assert cluster.nodes["west-1"].store == "s3://photos/west-1"


def test_a_config_named_from_its_own_folder_has_absolute_paths_too(config, monkeypatch):
    """A node may change its directory later."""
    monkeypatch.chdir(config.parent)
    cluster = load_cluster(type(config)("cluster.toml"))
    assert cluster.keys_file == str(config.parent / "keys.toml")


def test_all_else_is_as_parsed(config):
    """Only the paths differ from what the text says."""
    assert list(load_cluster(config).volumes) == [*range(1, 17), 65535]


def test_mistakes_are_told(config):
    """As for text."""
    config.write_text(SMALLEST.replace("keys_file", "key_file"))
    with pytest.raises(InvalidConfig, match="keys_file: is missing"):
        load_cluster(config)


def test_a_file_that_is_no_utf8_is_a_mistake_in_the_config(config):
    """TOML is UTF-8, whatever the machine's locale."""
    config.write_text("name = 'h\u00f6he'\n" + SMALLEST, encoding="latin-1")
    with pytest.raises(InvalidConfig, match=r"\(file\): is not UTF-8"):
        load_cluster(config)
    config.write_text("name = 'h\u00f6he'\n" + SMALLEST, encoding="utf-8")
    assert load_cluster(config).name == "h\u00f6he"


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    """The caller says so with the path."""
    with pytest.raises(FileNotFoundError):
        load_cluster(tmp_path / "cluster.toml")
