"""`glassplate status` and `token`, and which cluster a command line means."""

import json
import signal
import subprocess

import pytest

from glassplate import blocking
from glassplate.cli.connection import Connection
from tests.free_ports import free_ports

STATUS_KEYS = {
    "alerts",
    "warnings",
    "cluster",
    "edges",
    "master",
    "nodes",
    "oldest_job_seconds",
    "pending_hints",
    "queues",
    "repair",
    "volumes",
    "workers_alive",
}


def test_status_is_tables(glassplate):
    """Colos and nodes, volumes in ranges, the queue."""
    result = glassplate("status")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["east", "east-1", "up"] in [row[:3] for row in rows]
    assert ["1-2", "open", "east-1,", "west-1"] in rows
    assert ["3", "open", "east-2,", "west-2"] in rows
    assert "Queue: " in result.stdout


def test_status_json_has_these_keys(glassplate):
    """What the master says, and what needs attention."""
    document = json.loads(glassplate("status", "--json").stdout)
    assert document.keys() == STATUS_KEYS


def test_check_tells_by_its_exit_status(glassplate, cluster):
    """0 when all is well; 1, with a line for each thing, when a colo is down."""
    with cluster.without("east-1", "east-2"):
        shown = glassplate("status")
        checked = glassplate("status", "--check")
    assert shown.exit_code == 0
    assert checked.exit_code == 1
    for words in ("! node east-1 in east is down", "! volumes 1-3: not every mirror is up"):
        assert words in shown.stdout
        assert words in checked.stdout
    assert glassplate("status", "--check", "--watch").exit_code == 2


def test_watch_goes_on_until_ctrl_c(program, environment):
    """A line of JSON each time, and a quiet end."""
    with subprocess.Popen(
        [program, "status", "--watch", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=60)
    assert all(line.keys() == STATUS_KEYS for line in lines)
    assert rest[1] == ""
    assert process.returncode == 0


def test_token_opens_what_it_says(glassplate, cluster, photo):
    """And nothing else; one that never ends says so beside it."""
    result = glassplate("token", "--scope", "upload", "--scope", "read", "--expires", "30d")
    assert result.exit_code == 0
    assert result.stderr == ""
    with blocking.Client(cluster.masters, token=result.stdout.strip()) as client:
        reference = client.put(photo).reference
        assert client.info(reference).state == "pending"
        with pytest.raises(Exception, match="scope delete"):
            client.delete(reference)
    assert "good for ever" in glassplate("token", "--scope", "read").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["token"], "Missing option '--scope'"),
        (["token", "--scope", "everything"], "'everything' is not one of"),
        (["token", "--scope", "read", "--expires", "0d"], "not a duration"),
        (["frobnicate"], "No such command"),
        (["put"], "Missing argument"),
    ],
)
def test_wrong_usage_is_exit_status_2(arguments, words, glassplate):
    """With what is wrong in words."""
    result = glassplate(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_missing_config_says_what_to_do(glassplate, tmp_path, monkeypatch):
    """The one that was named, or the one that is looked for without a name."""
    missing = glassplate("--cluster", tmp_path / "no.toml", "status")
    assert missing.exit_code == 2
    assert "there is no" in missing.stderr
    assert "`glassplate up` makes one" in missing.stderr
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLASSPLATE_CLUSTER")
    assert "there is no data/cluster.toml" in glassplate("status").stderr


def test_config_with_mistakes_lists_them(glassplate, tmp_path):
    """Each with its key, and no traceback."""
    config = tmp_path / "cluster.toml"
    config.write_text('name = "x"\nnonsense = 1\n')
    for command in (["status"], ["node", "init", "east-1"]):
        result = glassplate("--cluster", config, *command)
        assert result.exit_code == 2
        assert "nonsense" in result.stderr
        assert "volumes" in result.stderr
        assert "Traceback" not in result.output


def test_url_and_token_are_enough(glassplate, cluster, photo_file, tmp_path, monkeypatch):
    """An application's machine has no config and no keys."""
    token = glassplate("token", "--scope", "upload", "--expires", "1h").stdout.strip()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLASSPLATE_CLUSTER")
    monkeypatch.setenv("GLASSPLATE_URL", " ".join(cluster.masters))
    assert glassplate("--token", token, "put", photo_file).exit_code == 0
    without = glassplate("put", photo_file)
    assert without.exit_code == 2
    assert "an API token of scope upload is needed" in without.stderr
    unsigned = glassplate("url", "3/01jd3x8m2c9qp4k7/3fz8qd", "--size", "m")
    assert unsigned.exit_code == 2
    assert "signed with keys" in unsigned.stderr


def test_bad_token_and_nobody_there_are_told_apart(glassplate):
    """One is refused, the other is exit status 3."""
    refused = glassplate("--token", "nonsense", "status")
    assert refused.exit_code == 1
    assert "glassplate token --scope" in refused.stderr
    (port,) = free_ports(1)
    unreachable = glassplate("--url", f"http://127.0.0.1:{port}", "status")
    assert unreachable.exit_code == 3
    assert "the cluster cannot be reached" in unreachable.stderr
    assert len(unreachable.stderr.splitlines()) == 2


def test_what_was_not_foreseen_is_still_no_traceback(glassplate, monkeypatch):
    """It asks for a report, and a variable shows where it was."""

    def fail(_):
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(Connection, "client", fail)
    result = glassplate("status")
    assert result.exit_code == 1
    assert "not foreseen: ZeroDivisionError('a mistake of ours')" in result.stderr
    monkeypatch.setenv("GLASSPLATE_DEBUG", "1")
    assert isinstance(glassplate("status").exception, ZeroDivisionError)
