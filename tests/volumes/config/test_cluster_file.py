"""Loading of `cluster.toml`: relative paths."""

import pytest

from tests.volumes.config.test_cluster_config import FULL, SMALLEST
from volumes.config.cluster_file import load_cluster
from volumes.config.config_reader import InvalidConfig


@pytest.fixture(name="config")
def _config(tmp_path):
    path = tmp_path / "site" / "cluster.toml"
    path.parent.mkdir()
    path.write_text(FULL)
    return path


def test_relative_paths_are_below_the_folder_of_the_config(config):
    """Relative paths start at the config's directory, whatever the working directory is."""
    cluster = load_cluster(config)
    assert cluster.keys_file == str(config.parent / "keys.toml")
    assert cluster.nodes["east-1"].store == str(config.parent / "east-1")


def test_absolute_paths_and_buckets_stay_as_they_are(config):
    """Absolute paths and bucket locations are unchanged."""
    cluster = load_cluster(config)
    assert cluster.nodes["west-2"].store == "/srv/west-2"
    assert cluster.nodes["west-1"].store == "s3://photos/west-1"


def test_a_config_in_the_working_directory_has_absolute_paths(config, monkeypatch):
    """The paths stay valid if a node changes its working directory."""
    monkeypatch.chdir(config.parent)
    cluster = load_cluster(type(config)("cluster.toml"))
    assert cluster.keys_file == str(config.parent / "keys.toml")


def test_only_the_paths_change(config):
    """Only the paths differ from the parsed text."""
    assert list(load_cluster(config).volumes) == [*range(1, 17), 65535]


def test_problems_are_reported(config):
    """The problems are the same as for text."""
    config.write_text(SMALLEST.replace("keys_file", "key_file"))
    with pytest.raises(InvalidConfig, match="keys_file: is missing"):
        load_cluster(config)


def test_a_file_that_is_not_utf8_is_a_problem_of_the_config(config):
    """TOML is UTF-8, regardless of the locale."""
    config.write_text("name = 'h\u00f6he'\n" + SMALLEST, encoding="latin-1")
    with pytest.raises(InvalidConfig, match=r"\(file\): is not UTF-8"):
        load_cluster(config)
    config.write_text("name = 'h\u00f6he'\n" + SMALLEST, encoding="utf-8")
    assert load_cluster(config).name == "h\u00f6he"


def test_a_missing_file_is_an_os_error(tmp_path):
    """A missing file raises OSError."""
    with pytest.raises(FileNotFoundError):
        load_cluster(tmp_path / "cluster.toml")


@pytest.mark.parametrize(
    "url", ["redis://:secret@h:6379/0", "redis+sentinel://u:secret@h1:1,h2:2/photos/0"]
)
def test_a_password_that_all_users_can_read_is_refused(config, url):
    """The file must be closed to others; its group is the operator's choice."""
    lines = FULL.splitlines()
    (number,) = (at for at, line in enumerate(lines) if line.startswith("queue_url"))
    lines[number] = f'queue_url = "{url}"'
    config.write_text("\n".join(lines))
    config.chmod(0o644)
    with pytest.raises(InvalidConfig) as refused:
        load_cluster(config)
    assert f"line {number + 1}: queue_url: has a password" in str(refused.value)
    assert f"mode is 0644; chmod o= {config}" in str(refused.value)
    assert "secret" not in str(refused.value)
    config.chmod(0o640)
    assert load_cluster(config).queue_url == url


def test_each_problem_has_its_line(config):
    """A key that is missing has the line of its table."""
    config.write_text(SMALLEST.replace("1-16", "one") + "[edges.front]\nkind = 'nginx'\n")
    with pytest.raises(InvalidConfig) as refused:
        load_cluster(config)
    lines = config.read_text().splitlines()
    found = {(problem.key, lines[problem.line - 1]) for problem in refused.value.problems}
    assert ("volumes[0].numbers", 'numbers = "one"') in found
    assert ("edges.front.listen", "[edges.front]") in found
    assert str(refused.value).startswith(f"{config} has ")
