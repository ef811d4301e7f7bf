"""`glassplate status` and `token`, and the options that select a cluster."""

import asyncio
import base64
import json
import signal
import subprocess
import time

import pytest

from glassplate import blocking
from glassplate.cli.commands import status
from glassplate.cli.connection import Connection
from glassplate.errors import Unreachable
from tests.free_ports import free_ports
from tests.storagemaster.manual_clock import JumpingClockLoop

STATUS_KEYS = {
    "alerts",
    "warnings",
    "cluster",
    "colos",
    "edges",
    "master",
    "masters",
    "nodes",
    "moves",
    "oldest_job_seconds",
    "pending_hints",
    "queues",
    "repair",
    "tls",
    "upload_p99_seconds",
    "volumes",
    "waits",
    "workers_alive",
}


def test_status_is_tables(glassplate):
    """The tables have nodes by colo, ranges of volumes, and queues."""
    result = glassplate("status")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["east", "east-1", "up"] in [row[:3] for row in rows]
    assert ["1-2", "open", "east-1,", "west-1"] in rows
    assert ["3", "open", "east-2,", "west-2"] in rows
    assert "Queues: " in result.stdout


def test_status_json_has_these_keys(glassplate):
    """The document of the storagemaster has the warnings added."""
    document = json.loads(glassplate("status", "--json").stdout)
    assert document.keys() == STATUS_KEYS


def test_check_sets_the_exit_status(glassplate, cluster):
    """Warnings make the exit status 1 with --check only."""
    with cluster.without("east-1", "east-2"):
        shown = glassplate("status")
        checked = glassplate("status", "--check")
    assert shown.exit_code == 0
    assert checked.exit_code == 1
    for words in ("! node east-1 in east is down", "! volumes 1-2 wait for east-1, which is down"):
        assert words in shown.stdout
        assert words in checked.stdout


@pytest.mark.parametrize(
    "options",
    [("--check", "--watch"), ("--wait", "--check"), ("--wait", "--watch"), ("--timeout", "3")],
)
def test_options_that_exclude_each_other_are_refused(glassplate, options):
    """The exit status is that of wrong usage."""
    assert glassplate("status", *options).exit_code == 2


WELL = {"nodes": [], "volumes": [], "edges": [], "pending_hints": 0, "alerts": [], "waits": []}
ILL = {**WELL, "waits": [{"volumes": [1, 2], "for": "the comparison of the mirrors"}]}
ILL_LINE = "waiting: volumes 1-2 wait for the comparison of the mirrors\n"


class Responding:
    """A client whose storagemaster responds with these documents, or does not respond."""

    def __init__(self, *responses):
        self._responses = list(responses)

    async def status(self):
        """Return the next document; the last one stays."""
        response = self._responses[0]
        del self._responses[: len(self._responses) > 1]
        if response is None:
            raise Unreachable("no storagemaster responded")
        return response


def wait(capsys, *responses, timeout_seconds=None):
    """Return the document of `status --wait`, and what it printed."""
    client = Responding(*responses)
    with asyncio.Runner(loop_factory=JumpingClockLoop) as runner:
        document = runner.run(status.wait_until_well(client, timeout_seconds))
    return document, capsys.readouterr().err


def test_wait_ends_when_the_cluster_is_well(capsys):
    """Each line is printed once, although the storagemaster did not respond meanwhile."""
    assert wait(capsys, ILL, ILL, WELL) == (WELL, ILL_LINE)
    unreachable = "waiting: no storagemaster responded\n"
    assert wait(capsys, None, None, ILL, WELL) == (WELL, unreachable + ILL_LINE)


def test_wait_ends_at_its_timeout(capsys):
    """The result is the last status, or the error if no storagemaster responds."""
    assert wait(capsys, ILL, timeout_seconds=30) == (ILL, ILL_LINE)
    with pytest.raises(Unreachable):
        wait(capsys, None, timeout_seconds=30)


def test_wait_sets_the_exit_status(glassplate, cluster):
    """A timeout is a failure, and the document has the warnings that are left."""
    with cluster.without("east-1"):
        result = glassplate("status", "--wait", "--timeout", "0", "--json")
    assert result.exit_code == 1
    assert "node east-1 in east is down" in json.loads(result.stdout)["warnings"][0]


def test_watch_runs_until_ctrl_c(program, environment):
    """Each refresh is a line of JSON, and Ctrl-C ends it with status 0."""
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


def test_token_has_its_scopes_only(glassplate, cluster, photo):
    """A token allows its scopes and no other; one that never expires has a warning."""
    result = glassplate("token", "create", "--scope", "upload", "--scope", "read")
    assert result.exit_code == 0
    assert "of application default. It expires " in result.stderr
    with blocking.Client(cluster.masters, token=result.stdout.strip()) as client:
        reference = client.put(photo).reference
        assert client.info(reference).state == "pending"
        with pytest.raises(Exception, match="scope delete"):
            client.delete(reference)
    permanent = glassplate("token", "create", "--scope", "read", "--expires", "never")
    assert "never expires" in permanent.stderr


def test_a_token_is_of_an_application_and_for_thirty_days_by_default(glassplate):
    """Its claims have the values of the options."""
    options = ("--application", "shop", "--volumes", "1-8,12")
    made = glassplate("token", "create", "--scope", "upload", *options)
    claims = json.loads(base64.urlsafe_b64decode(made.stdout.split(".")[2] + "=="))
    assert (claims["application"], claims["volumes"]) == ("shop", [[1, 8], [12, 12]])
    assert claims["expiry"] - time.time() == pytest.approx(30 * 86_400, abs=60)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["token", "create"], "Missing option '--scope'"),
        (["token", "create", "--scope", "everything"], "'everything' is not one of"),
        (["token", "create", "--scope", "read", "--expires", "0d"], "not a duration"),
        (["token", "create", "--scope", "read", "--volumes", "all"], "must be as in"),
        (["token", "create", "--scope", "read", "--volumes", "8-1"], "must be as in"),
        (["token", "create", "--scope", "read", "--application", "A B"], "invalid application"),
        (["frobnicate"], "No such command"),
        (["put"], "Missing argument"),
    ],
)
def test_wrong_usage_is_exit_status_2(arguments, words, glassplate):
    """The message names the fault."""
    result = glassplate(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_missing_config_suggests_a_fix(glassplate, tmp_path, monkeypatch):
    """The message has the path of the named or default config."""
    missing = glassplate("--cluster", tmp_path / "no.toml", "status")
    assert missing.exit_code == 2
    assert "config not found" in missing.stderr
    assert "Create a cluster with `glassplate up`" in missing.stderr
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLASSPLATE_CLUSTER")
    assert "config not found: data/cluster.toml" in glassplate("status").stderr


def test_an_invalid_config_lists_its_faults(glassplate, tmp_path):
    """Each fault has its key, and no traceback is printed."""
    config = tmp_path / "cluster.toml"
    config.write_text('name = "x"\nnonsense = 1\n')
    for command in (["status"], ["node", "init", "east-1"]):
        result = glassplate("--cluster", config, *command)
        assert result.exit_code == 2
        assert "nonsense" in result.stderr
        assert "volumes" in result.stderr
        assert "Traceback" not in result.output


def test_url_and_token_are_enough(glassplate, cluster, photo_file, tmp_path, monkeypatch):
    """An application needs neither a config nor keys."""
    token = glassplate("token", "create", "--scope", "upload", "--expires", "1h").stdout.strip()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLASSPLATE_CLUSTER")
    monkeypatch.setenv("GLASSPLATE_URL", " ".join(cluster.masters))
    assert glassplate("--token", token, "put", photo_file).exit_code == 0
    without = glassplate("put", photo_file)
    assert without.exit_code == 2
    assert "requires an API token of scope upload" in without.stderr
    unsigned = glassplate("url", "3/01jd3x8m2c9qp4k7/3fz8qd", "--size", "m")
    assert unsigned.exit_code == 2
    assert "without keys" in unsigned.stderr


def test_invalid_token_and_unreachable_cluster_differ(glassplate):
    """An invalid token has exit status 1, an unreachable cluster 3."""
    refused = glassplate("--token", "nonsense", "status")
    assert refused.exit_code == 1
    assert "glassplate token --scope" in refused.stderr
    (port,) = free_ports(1)
    unreachable = glassplate("--url", f"http://127.0.0.1:{port}", "status")
    assert unreachable.exit_code == 3
    assert "the cluster is unreachable" in unreachable.stderr
    assert len(unreachable.stderr.splitlines()) == 2


def test_an_internal_error_prints_no_traceback(glassplate, monkeypatch):
    """GLASSPLATE_DEBUG enables the traceback."""

    def fail(_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Connection, "client", fail)
    result = glassplate("status")
    assert result.exit_code == 1
    assert "internal error: ZeroDivisionError('a bug')" in result.stderr
    monkeypatch.setenv("GLASSPLATE_DEBUG", "1")
    assert isinstance(glassplate("status").exception, ZeroDivisionError)
