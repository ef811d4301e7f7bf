"""`glassplate certs`: a small authority, and a certificate for each machine of the config."""

import json
import stat
import time

import pytest
from click.testing import CliRunner

from glassplate.certificates.authority import new_authority
from glassplate.certificates.certificate_folder import load_authority, save_certificate
from glassplate.cli.main import main
from glassplate.local.plan import LocalPorts, render_local_cluster
from runtime.tls.machine_name import MachineName, Role

EAST = MachineName(Role.NODE, "east-1")
MACHINES = {
    *(("master", f"{colo}-master") for colo in ("east", "west")),
    *(("node", f"{colo}-{number}") for colo in ("east", "west") for number in (1, 2)),
    *(("worker", colo) for colo in ("east", "west")),
    ("cache", "memcached"),
    ("monitor", "prometheus"),
}


@pytest.fixture(name="certs")
def _certs(tmp_path):
    """Return a function that runs `glassplate certs` for a cluster."""
    config = tmp_path / "cluster.toml"
    config.write_text(render_local_cluster(LocalPorts(20_000)))

    def run(*arguments):
        return CliRunner().invoke(main, ["--cluster", str(config), "certs", *arguments])

    return run


@pytest.fixture(name="folder")
def _folder(certs, tmp_path):
    """Return the folder of certificates after `certs init`."""
    assert certs("init").exit_code == 0
    return tmp_path / "tls"


def listed(certs):
    """Return the days left by role and id."""
    document = json.loads(certs("list", "--json").stdout)
    return {(each["role"], each["id"]): each["days_left"] for each in document}


def test_init_issues_a_certificate_for_each_machine(certs, folder):
    """Only their owner can read the files, and another init changes none."""
    assert listed(certs) == dict.fromkeys(MACHINES, 364)
    files = {each: each.read_bytes() for each in folder.iterdir()}
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "0 certificates were issued" in certs("init").stdout
    assert {each: each.read_bytes() for each in folder.iterdir()} == files


def test_renew_replaces_what_ends_soon(certs, folder):
    """All others stay, unless --all is given."""
    soon = time.time() - 320 * 86_400
    save_certificate(folder, load_authority(folder), EAST, now_seconds=soon)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert listed(certs)["node", "east-1"] == 44
    assert certs("renew").stdout == f"renewed {folder / 'node-east-1.pem'}\n"
    after = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"node-east-1.pem"}
    assert "no certificate ends" in certs("renew").stdout
    assert len(certs("renew", "--all").stdout.splitlines()) == len(MACHINES)


def test_issue_makes_a_new_certificate_of_a_machine(certs, folder):
    """Of the config only."""
    before = (folder / "node-east-1.pem").read_bytes()
    assert certs("issue", "node", "east-1", "--host", "east-1.internal").exit_code == 0
    assert (folder / "node-east-1.pem").read_bytes() != before
    unknown = certs("issue", "node", "east-9")
    assert unknown.exit_code == 2
    assert "unknown node 'east-9'; the config has: east-1, east-2" in unknown.stderr


def test_nothing_is_issued_without_the_key_of_the_authority(certs, folder):
    """It is kept elsewhere; the message says so."""
    (folder / "ca-key.pem").unlink()
    refused = certs("issue", "node", "east-1")
    assert refused.exit_code == 2
    assert "run this where ca-key.pem is kept" in refused.stderr


def test_a_damaged_certificate_has_ended(certs, folder):
    """So `renew` replaces it."""
    (folder / "worker-east.pem").write_text("damaged")
    assert "worker   east                has ended" in certs("list").stdout
    assert certs("renew").stdout == f"renewed {folder / 'worker-east.pem'}\n"


def test_the_key_of_an_authority_is_never_overwritten(certs, folder):
    """Without the certificate beside it, `init` says where that is."""
    key = (folder / "ca-key.pem").read_bytes()
    (folder / "ca.pem").unlink()
    refused = certs("init")
    assert refused.exit_code == 2
    assert "copy ca.pem here from a machine of the cluster" in refused.stderr
    assert (folder / "ca-key.pem").read_bytes() == key


def replace_authority(folder, *, days_ago):
    """Put an authority into the folder that was made some days ago."""
    authority = new_authority("photos", now_seconds=time.time() - days_ago * 86_400)
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    (folder / "ca-key.pem").write_bytes(authority.key_pem)


def test_a_certificate_ends_with_its_authority(certs, folder):
    """So the alerts before its end are those before the end of the authority."""
    replace_authority(folder, days_ago=3640)
    renewed = certs("renew", "--all")
    assert set(listed(certs).values()) == {9}
    assert "the authority ends in 9 days, and these certificates end with it" in renewed.stderr


def test_an_authority_that_has_ended_issues_nothing(certs, folder):
    """The certificates stay as they were."""
    replace_authority(folder, days_ago=3660)
    before = (folder / "node-east-1.pem").read_bytes()
    for refused in (certs("issue", "node", "east-1"), certs("renew", "--all")):
        assert refused.exit_code == 2
        assert "the authority ended on" in refused.stderr
    assert (folder / "node-east-1.pem").read_bytes() == before


@pytest.mark.parametrize(
    "host", ["two words", "bad..host", "k\u00f6ln", "", "west-1.node.glassplate"]
)
def test_an_invalid_host_is_refused(certs, folder, host):
    """Also one that names another machine of the cluster."""
    before = (folder / "node-east-1.pem").read_bytes()
    refused = certs("issue", "node", "east-1", "--host", host)
    assert refused.exit_code == 2
    assert f"invalid host {host!r}" in refused.stderr
    assert (folder / "node-east-1.pem").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(certs, tmp_path, monkeypatch):
    """With the file that was to be written."""
    (tmp_path / "tls").touch()
    assert "cannot make the folder" in certs("init").stderr
    (tmp_path / "tls").unlink()
    monkeypatch.setenv("GLASSPLATE_AUTHORITY_KEY", str(tmp_path / "missing" / "ca-key.pem"))
    refused = certs("init")
    assert refused.exit_code == 2
    assert f"cannot write {tmp_path / 'missing' / 'ca-key.pem'}: No such file" in refused.stderr


@pytest.mark.parametrize("command", ["list", "renew"])
def test_a_folder_without_certificates_is_named(certs, command):
    """Before `init`, or on a machine that has none yet."""
    refused = certs(command)
    assert refused.exit_code == 2
    assert "create them with `glassplate certs init`" in refused.stderr
