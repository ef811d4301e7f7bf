"""`glassplate token`: the record of tokens, and their revocation."""

import json

import pytest
from click.testing import CliRunner

from glassplate.cli.main import main
from glassplate.local.plan import LocalPorts, render_local_cluster
from permission_urls import RevokedTokens


@pytest.fixture(name="token")
def _token(tmp_path):
    """Return a function that runs `glassplate token` for a cluster with keys."""
    config = tmp_path / "cluster.toml"
    config.write_text(render_local_cluster(LocalPorts(20_000)))
    config.chmod(0o600)

    def run(*arguments):
        return CliRunner().invoke(main, ["--cluster", str(config), *arguments])

    assert run("keys", "init").exit_code == 0
    return lambda *arguments: run("token", *arguments)


def listed(token, *arguments):
    """Return the listed tokens by id."""
    found = json.loads(token("list", "--json", *arguments).stdout)
    return {each["id"]: each for each in found}


def test_a_created_token_is_listed_without_its_text(token, tmp_path):
    """The list has id, application, scopes, and expiry."""
    made = token("create", "--scope", "upload", "--scope", "read", "--application", "shop")
    assert made.exit_code == 0
    ((id_, record),) = listed(token).items()
    assert f"Token {id_} of application shop. It expires" in made.stderr
    assert (record["application"], record["scopes"]) == ("shop", ["read", "upload"])
    assert made.stdout.strip().rpartition(".")[2] not in (tmp_path / "tokens.toml").read_text()
    assert id_ in token("list").stdout
    assert listed(token, "--application", "other") == {}


def test_a_revoked_token_is_refused_and_stays_listed(token, tmp_path):
    """Another token is not affected. An id that was made elsewhere can be revoked as well."""
    for _ in range(2):
        token("create", "--scope", "read")
    first, second = listed(token)
    done = token("revoke", first, "zzzzzzzz")
    assert done.exit_code == 0
    revoked = RevokedTokens(tmp_path / "tokens.toml")
    assert first in revoked
    assert "zzzzzzzz" in revoked
    assert second not in revoked
    assert {id_: each["revoked"] for id_, each in listed(token).items()} == {
        first: True,
        second: False,
        "zzzzzzzz": True,
    }


def test_a_text_that_is_not_an_id_is_refused(token, tmp_path):
    """A whole token or a misspelled id must not look revoked."""
    refused = token("revoke", "gp2.a.e30.AAAA")
    assert refused.exit_code == 2
    assert "is not the id of a token" in refused.stderr
    assert not (tmp_path / "tokens.toml").exists()
