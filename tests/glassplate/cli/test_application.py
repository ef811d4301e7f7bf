"""`glassplate application`: tables of the config, and files without a key of the cluster."""

import json
import re
import stat
import subprocess
import time

import pytest
from click.testing import CliRunner

from glassplate.cli.commands.application import DEFAULT_SCOPES
from glassplate.cli.main import main
from glassplate.local.plan import LocalPorts, render_local_cluster
from glassplate.session.application_file import parse_application
from permission_urls import (
    Purpose,
    RevokedTokens,
    Scope,
    TokenVerifier,
    application_keys,
    derived_key,
    load_keys,
)
from volumes.cluster import Application
from volumes.config.cluster_file import load_cluster


@pytest.fixture(name="config")
def _config(tmp_path):
    """Return the config of a cluster with keys."""
    path = tmp_path / "cluster.toml"
    path.write_text(render_local_cluster(LocalPorts(20_000)) + "# the last line of a person")
    path.chmod(0o640)
    done = CliRunner().invoke(main, ["--cluster", str(path), "keys", "init"])
    assert done.exit_code == 0
    return path


@pytest.fixture(name="application")
def _application(config):
    """Return a function that runs `glassplate application`."""

    def run(*arguments, before=()):
        return CliRunner().invoke(
            main, [*before, "--cluster", str(config), "application", *arguments]
        )

    return run


def test_an_added_application_is_in_the_config(application, config):
    """All limits are read back. Everything else in the file, and its mode, stay."""
    before = config.read_text()
    added = application(
        *("add", "shop", "--volumes", "2,4-6", "--bytes-max", "20M", "--format", "jpg"),
        *("--format", "heic", "--origin", "https://shop.example", "--uploads-per-minute", "9"),
        *("--webhook-url", "https://shop.example/photo-events"),
    )
    assert added.exit_code == 0, added.stderr
    assert "restart the storagemasters: east-master, west-master" in added.stderr
    assert load_cluster(config).applications == {
        "shop": Application(
            name="shop",
            volumes=((2, 2), (4, 6)),
            upload_bytes_max=20 * 1024 * 1024,
            formats=("jpg", "heic"),
            origins=("https://shop.example",),
            webhook_urls=("https://shop.example/photo-events",),
            uploads_per_minute=9,
        )
    }
    assert config.read_text().startswith(before)
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert application("add", "blog").exit_code == 0
    assert load_cluster(config).applications["blog"] == Application(name="blog")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["Shop"], "a letter first"),
        (["default"], "every token without an application"),
        (["blog", "--volumes", "9"], "volume 9 is not in"),
        (["blog", "--origin", "shop.example"], "as browsers send it"),
        (["blog", "--webhook-url", "http://shop.example/"], "must be https"),
        (["blog", "--format", "svg"], "must be some of"),
        (["shop"], "exists already"),
    ],
    ids=" ".join,
)
def test_an_invalid_application_leaves_the_config_as_it_is(application, config, arguments, why):
    """The message names the value, and the exit status is 2."""
    assert application("add", "shop").exit_code == 0
    before = config.read_bytes()
    refused = application("add", *arguments)
    assert refused.exit_code == 2
    assert why in refused.stderr
    assert config.read_bytes() == before
    assert not list(config.parent.glob(".cluster.toml.[!l]*"))


def test_the_list_has_limits_and_valid_tokens(application, config):
    """A revoked token is not listed."""
    application("add", "shop", "--volumes", "1-2", "--origin", "https://shop.example")
    application("add", "blog")
    for _ in range(2):
        application("export", "shop")
    first, second = json.loads(application("list", "--json").stdout)[0]["tokens"]
    CliRunner().invoke(main, ["--cluster", str(config), "token", "revoke", first])
    listed = application("list").stdout.splitlines()
    assert listed == [
        "shop                  volumes 1-2  origins https://shop.example",
        f"                      tokens {second}",
        "blog                  volumes all",
    ]
    (shop, blog) = json.loads(application("list", "--json").stdout)
    assert (shop["name"], shop["volumes"], shop["tokens"]) == ("shop", [[1, 2]], [second])
    assert blog["tokens"] == []


def test_an_exported_file_has_no_key_of_the_cluster(application, config):
    """Its only secrets are derived: for URLs, for its own tickets, and for its own webhooks."""
    application("add", "shop")
    keys = load_keys(config.with_name("keys.toml"))
    for options in ([], ["--json"]):
        text = application("export", "shop", *options).stdout
        for ring in keys.rings.values():
            assert not any(key.secret.hex() in text for key in ring.keys)
        assert set(re.findall("[0-9a-f]{64}", text)) == {
            derived_key(keys.ring(Purpose.READ), "a", Purpose.READ).hex(),
            application_keys(keys, Purpose.TICKET, "shop")["a"].hex(),
            application_keys(keys, Purpose.WEBHOOK, "shop")["a"].hex(),
        }
        assert "queue" not in text
        assert "nodes" not in text


def test_an_exported_key_can_be_restricted(application, config):
    """The application gets no key that signs more, and options that exclude each other fail."""
    application("add", "shop")
    made = application("export", "shop", "--only", "web", "--longest", "7d")
    read_key = parse_application(made.stdout).read_key
    assert read_key.key_id == "a-w168"
    ring = load_keys(config.with_name("keys.toml")).ring(Purpose.READ)
    assert derived_key(ring, "a", Purpose.READ).hex() not in made.stdout
    refused = application("export", "shop", "--no-read-key", "--only", "web")
    assert refused.exit_code == 2
    assert "leaves nothing to restrict" in refused.stderr


def test_the_token_beside_a_restricted_key_permits_no_other_urls(application, config):
    """Otherwise storagemasters would give the application the URLs that it cannot sign."""
    keys = load_keys(config.with_name("keys.toml"))
    application("add", "shop")
    for restriction in (("--only", "web"), ("--longest", "7d")):
        made = application("export", "shop", *restriction)
        assert scopes_of(keys, made) == {"upload", "delete"}
        made = application("export", "shop", *restriction, "--scope", "upload")
        assert scopes_of(keys, made) == {"upload"}
        refused = application("export", "shop", *restriction, "--scope", "original")
        assert refused.exit_code == 2
        assert "--scope original permits URLs of storagemasters" in refused.stderr
    assert scopes_of(keys, application("export", "shop")) == set(DEFAULT_SCOPES)


def scopes_of(keys, made):
    """Return the scopes of the token in an exported file."""
    verifier = TokenVerifier(keys)
    token = parse_application(made.stdout).token
    return set(verifier.verify(token, scope_needed=None, now_seconds=time.time()).scopes)


def test_the_options_of_an_export(application, config):
    """Scopes, lifetime, addresses, and the key for URLs are chosen."""
    application("add", "shop")
    made = application(
        *("export", "shop", "--scope", "upload", "--expires", "1h", "--no-read-key"),
        *("--upload-url", "https://upload.example"),
        before=("--url", "https://masters.example"),
    )
    file = parse_application(made.stdout)
    assert file.masters == ("https://masters.example",)
    assert file.uploads == ("https://upload.example",)
    assert file.edges[0] == "http://127.0.0.1:20000"
    assert file.read_key is None
    keys = load_keys(config.with_name("keys.toml"))
    token = TokenVerifier(keys).verify(
        file.token, scope_needed=Scope.UPLOAD, now_seconds=time.time()
    )
    assert (token.application, token.scopes) == ("shop", {Scope.UPLOAD})
    assert abs(token.expiry - time.time() - 3600) < 120
    plain = parse_application(application("export", "shop").stdout)
    assert plain.masters == ("http://127.0.0.1:20010", "http://127.0.0.1:20011")
    assert plain.uploads == ("http://127.0.0.1:20003", "http://127.0.0.1:20004")


def test_the_token_of_an_export_can_be_revoked(application, config):
    """Its id is recorded, and the file shows which it is."""
    application("add", "shop")
    made = application("export", "shop")
    ((id_,),) = (found["tokens"] for found in json.loads(application("list", "--json").stdout))
    assert id_ in made.stderr
    CliRunner().invoke(main, ["--cluster", str(config), "token", "revoke", id_])
    assert id_ in RevokedTokens(config.with_name("tokens.toml"))


def test_an_unknown_application_is_not_exported(application, config):
    """A misspelled name makes no token."""
    application("add", "shop")
    refused = application("export", "shpo")
    assert refused.exit_code == 2
    assert "unknown application 'shpo'; known applications: shop" in refused.stderr
    assert refused.stdout == ""
    assert not config.with_name("tokens.toml").exists()


def test_a_redirected_export_is_readable_by_its_owner_only(application, config, program, tmp_path):
    """A shell would make the file with mode 0644."""
    application("add", "shop")
    out = tmp_path / "shop.toml"
    out.touch(mode=0o644)
    with out.open("wb") as file:
        command = [program, "--cluster", config, "application", "export", "shop"]
        subprocess.run(command, stdout=file, check=True)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert parse_application(out.read_text()).application == "shop"
