"""`glassplate doctor` finds what is broken in a running cluster, and says what to do."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import redis

from permission_urls import generate_keys
from permission_urls.files.key_file import render_keys
from tests.journey.running_cluster import wait_until


def diagnose(cluster, *options):
    """Return the exit status of the doctor, and its findings that are not ok, by id."""
    done = cluster.cli("doctor", "--json", *options)
    findings = json.loads(done.stdout)["findings"]
    assert all(each["do"] for each in findings if each["verdict"] in {"warn", "fail"}), findings
    return done.returncode, {each["id"]: each for each in findings if each["verdict"] != "ok"}


def found(cluster, *options):
    """Return verdict and text of each finding that is not ok."""
    _, findings = diagnose(cluster, *options)
    return {id_: (each["verdict"], each["found"]) for id_, each in findings.items()}


def test_a_sound_cluster_passes_with_a_canary(cluster, shared_photo):
    """Every check, and a photo through upload, sizes, every edge, and delete; exit status 0."""
    assert shared_photo
    wait_until("a well cluster", lambda: not found(cluster))
    status, findings = diagnose(cluster, "--canary")
    assert findings == {}
    assert status == 0
    text = cluster.cli("doctor").stdout
    assert "fail" not in text
    assert "checks:" in text


def test_a_killed_node_is_found(cluster):
    """By the request to it and by the storagemaster; exit status 2."""
    assert cluster.cli("node", "stop", "west-2").returncode == 0
    try:
        wait_until("the fleet", lambda: "node/west-2" in found(cluster))
        status, findings = diagnose(cluster)
        assert status == 2
        assert "python -m storagenode --node west-2" in findings["protocol/west-2"]["do"]
        assert "NodeDown" in findings["node/west-2"]["do"]
    finally:
        assert cluster.cli("node", "start", "west-2").returncode == 0
    wait_until("the node", lambda: "node/west-2" not in found(cluster))


def test_a_frozen_storagemaster_is_found(cluster):
    """It accepts connections and never responds."""
    pid = cluster.running()["west-master"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert found(cluster)["master/west-master"][0] == "fail"
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_queue_that_evicts_jobs_is_found(cluster):
    """Its policy is changed in the running server."""
    password = Path(cluster.config.queue_password_file).read_text().strip()
    with redis.Redis.from_url(cluster.config.queue_url, password=password) as queue:
        queue.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert found(cluster)["queue"] == ("fail", "its policy is allkeys-lru")
        finally:
            queue.config_set("maxmemory-policy", "noeviction")


def config_elsewhere(cluster):
    """Return the config for another folder: with the same disks and certificates."""
    text = (cluster.data / "cluster.toml").read_text()
    text = text.replace("[tls]\n", f'[tls]\nfolder = "{cluster.data}/tls"\n')
    text = text.replace('"queue-password"', f'"{cluster.data}/queue-password"')
    return text.replace('store = "nodes/', f'store = "{cluster.data}/nodes/')


def test_other_keys_are_found(cluster, tmp_path):
    """A node and a storagemaster refuse what this machine signs."""
    copy = tmp_path
    (copy / "cluster.toml").write_text(config_elsewhere(cluster))
    (copy / "keys.toml").write_text(render_keys(generate_keys(os.urandom)))
    (copy / "keys.toml").chmod(0o600)
    other = type(cluster)(copy, cluster.process)
    findings = found(other)
    assert findings["master/east-master"][0] == "fail"
    assert findings["protocol/east-1"] == ("fail", "it refuses them")
    assert findings["url-keys/varnish"][0] == findings["url-keys/east-nginx"][0] == "fail"


@pytest.fixture(name="edited")
def _edited(cluster, tmp_path):
    """Return a function that returns the cluster with an edited copy of its config."""

    def edit(*replacements):
        copy = tmp_path
        text = config_elsewhere(cluster)
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (copy / "cluster.toml").write_text(text)
        for name in ("keys.toml", "tokens.toml"):
            if (cluster.data / name).exists():
                (copy / name).write_bytes((cluster.data / name).read_bytes())
                (copy / name).chmod(0o600)
        return type(cluster)(copy, cluster.process)

    return edit


def test_another_volume_map_is_found(cluster, edited):
    """At every process and at every edge."""
    findings = found(edited(('numbers = "7-8"', 'numbers = "7-9"')))
    for process in ("east-master", "west-master", "east-1", "west-2", "east-nginx", "varnish"):
        assert findings[f"map/{process}"][0] == "fail"
    assert cluster.config.volumes


def test_a_readable_key_file_and_an_eternal_token_are_found(edited):
    """A warning is exit status 1, a failure 2."""
    other = edited()
    tokens = '[k3v9q2mf]\napplication = "shop"\nscopes = ["read"]\nexpiry = 0\n'
    (other.data / "tokens.toml").write_text(tokens)
    status, findings = diagnose(other)
    assert (status, findings["tokens"]["verdict"]) == (1, "warn")
    assert "k3v9q2mf" in findings["tokens"]["found"]
    (other.data / "keys.toml").chmod(0o644)
    status, findings = diagnose(other)
    assert (status, findings["keys"]["verdict"]) == (2, "fail")
    assert "mode is 0644" in findings["keys"]["found"]


def test_a_wrong_and_a_missing_disk_are_found(cluster, edited, tmp_path):
    """A directory without a marker, one with the marker of another node, and none."""
    root = cluster.data / "nodes"
    empty = tmp_path / "empty"
    empty.mkdir()
    findings = found(
        edited(
            (f'store = "{root}/east-1"', f'store = "{empty}"'),
            (f'store = "{root}/east-2"', f'store = "{root}/west-1"'),
            (f'store = "{root}/west-2"', 'store = "/nowhere"'),
        )
    )
    assert findings["marker/east-1"] == ("fail", "the marker is missing")
    assert findings["marker/east-2"] == ("fail", "it is the marker of another node")
    assert findings["disk/west-2"][0] == "unknown"
    assert Path("/nowhere").exists() is False


def test_a_public_internal_port_is_found(edited, cluster):
    """The write port of a node on an address of the internet."""
    port = cluster.config.nodes["east-1"].write.port
    other = edited((f'write = "127.0.0.1:{port}"', f'write = "8.8.8.8:{port}"'))
    started = time.monotonic()
    findings = found(other)
    assert findings["public-ports"] == ("fail", "write port of east-1")
    assert findings["protocol/east-1"][0] == "fail"
    assert time.monotonic() - started < 60
