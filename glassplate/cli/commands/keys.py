"""`glassplate keys`: the key ring that everything is signed with, and its rotation."""

import json
import os
from pathlib import Path

import click

from glassplate.cli.connection import Connection
from glassplate.local.key_generation import generate_varnish_safe_key, next_key_id
from permission_urls import KeyRing, KeyState, load_keys, save_keys
from volumes.cluster_file import load_cluster

FIRST_KEY_ID = "a"

_STATE_WORDS = {
    KeyState.SIGNING: "signs and verifies",
    KeyState.ACCEPTED: "verifies",
    KeyState.RETIRED: "does nothing; its id is never used again",
}


@click.group()
def keys() -> None:
    r"""Make, list and rotate the keys.

    URLs, tokens and requests are signed with them. They are in the file that `keys_file` of the
    cluster's config names, with mode 0600: whoever has it can sign anything. Edges never get it,
    only what they check URLs with.

    A rotation that refuses no valid URL has three steps, because everything that verifies must
    know a key before anything signs with it:

    \b
      1. glassplate keys add --verify-only   makes key b, which verifies and does not sign yet
      2. glassplate keys promote b           has b sign; the former key, a, goes on verifying
      3. glassplate keys retire a         much later: every URL and token of a is refused

    Roll the file out after each, and before the next: copy it to every machine; restart storage
    nodes, storagemasters and workers, one at a time; write the edges' configs again with
    `glassplate proxy-config`, and have the edges read them.

    After a leak there is no time for that: `add`, `retire`, one roll-out.

    \b
    Examples:
      glassplate keys init
      glassplate keys list
    """


@keys.command()
@click.pass_obj
def init(connection: Connection) -> None:
    r"""Make the key file of a new cluster; one that is there already stays as it is.

    \b
    Example:
      glassplate --cluster /etc/glassplate/cluster.toml keys init
    """
    path = _key_file(connection)
    if path.exists():
        click.echo(f"{path} is there already; key {load_keys(path).signing_key.key_id} signs")
        return
    save_keys(path, KeyRing(keys=(generate_varnish_safe_key(FIRST_KEY_ID, os.urandom),)))
    click.echo(f"{path} is made; key {FIRST_KEY_ID} signs. Keep it secret, and keep a copy.")


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_keys(connection: Connection, *, as_json: bool) -> None:
    """Show all keys, oldest first, and what each is still used for; never a secret."""
    ring = load_keys(_key_file(connection))
    if as_json:
        click.echo(json.dumps([{"key": key.key_id, "state": key.state} for key in ring.keys]))
        return
    for key in ring.keys:
        click.echo(f"{key.key_id:<6}{key.state:<10}{_STATE_WORDS[key.state]}")


@keys.command()
@click.argument("key_id", required=False)
@click.option("--verify-only", is_flag=True, help="It verifies, and does not sign yet.")
@click.pass_obj
def add(connection: Connection, key_id: str | None, *, verify_only: bool) -> None:
    r"""Make a new key, KEY_ID or of the next free id.

    It signs at once, and the former key continues to verify. With --verify-only it does not sign
    until `glassplate keys promote`, so that nothing is refused while the file is rolled out.

    \b
    Examples:
      glassplate keys add --verify-only
      glassplate keys add 2027
    """
    path = _key_file(connection)
    ring = load_keys(path)
    key = generate_varnish_safe_key(key_id or next_key_id(ring), os.urandom)
    if verify_only:
        save_keys(path, ring.with_accepted_key(key))
        click.echo(
            f"Key {key.key_id} verifies. Roll the file out, then run: "
            f"glassplate keys promote {key.key_id}"
        )
    else:
        save_keys(path, ring.with_new_signing_key(key))
        former = ring.signing_key.key_id
        click.echo(f"Key {key.key_id} signs, {former} goes on verifying. Roll the file out.")


@keys.command()
@click.argument("key_id")
@click.pass_obj
def promote(connection: Connection, key_id: str) -> None:
    """Sign with the accepted key KEY_ID. The former key continues to verify."""
    path = _key_file(connection)
    ring = load_keys(path)
    save_keys(path, ring.with_signing_key(key_id))
    former = ring.signing_key.key_id
    click.echo(f"Key {key_id} signs. Roll the file out.")
    if former != key_id:
        click.echo(f"When the last URL of {former} may die: glassplate keys retire {former}")


@keys.command()
@click.argument("key_id")
@click.confirmation_option(prompt="This kills every URL and token of the key, for ever. Go on?")
@click.pass_obj
def retire(connection: Connection, key_id: str) -> None:
    """Refuse every URL and token that key KEY_ID ever signed, for ever.

    The key that signs cannot be retired.
    """
    path = _key_file(connection)
    save_keys(path, load_keys(path).with_retired(key_id))
    click.echo(f"Key {key_id} is retired. Roll the file out.")


def _key_file(connection: Connection) -> Path:
    return Path(load_cluster(connection.cluster_path).keys_file)
