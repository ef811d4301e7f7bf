"""`glassplate ticket`: signed without network, by the key of one application."""

import time

import pytest
from click.testing import CliRunner

from glassplate.cli.main import main
from glassplate.local.plan import LocalPorts, render_local_cluster
from permission_urls import TicketVerifier, load_keys


@pytest.fixture(name="ticket")
def _ticket(tmp_path):
    """Return a function that runs `glassplate ticket` for a cluster with keys."""
    config = tmp_path / "cluster.toml"
    config.write_text(render_local_cluster(LocalPorts(20_000)))
    config.chmod(0o600)
    run = CliRunner().invoke
    assert run(main, ["--cluster", str(config), "keys", "init"]).exit_code == 0
    return lambda *arguments: run(main, ["--cluster", str(config), "ticket", *arguments])


def test_the_options_are_in_the_ticket(ticket, tmp_path):
    """A storagemaster with the same keys reads them."""
    made = ticket(
        *("--application", "shop", "--ref", "order-7", "--format", "jpg", "--bytes-max", "20M"),
        *("--count", "3", "--to", "https://shop.example/done", "--strict", "--expires", "2h"),
    )
    assert made.exit_code == 0
    keys = load_keys(tmp_path / "keys.toml")
    found = TicketVerifier(keys).verify(made.stdout.strip(), now_seconds=time.time())
    assert (found.application, found.ref, found.formats) == ("shop", "order-7", ("jpg",))
    assert (found.count, found.strict, found.to) == (3, True, "https://shop.example/done")
    assert found.bytes_max == 20 * 1024 * 1024
    assert abs(found.expiry - time.time() - 7200) < 120


def test_two_tickets_are_for_two_photos(ticket):
    """Each has an id of its own."""
    assert ticket().stdout != ticket().stdout


@pytest.mark.parametrize(
    "option",
    [("--ref", "x" * 65), ("--to", "ftp://x"), ("--application", "Shop"), ("--count", "0")],
)
def test_invalid_options_are_refused(ticket, option):
    """The error names the value."""
    made = ticket(*option)
    assert made.exit_code == 2
    assert made.stdout == ""
