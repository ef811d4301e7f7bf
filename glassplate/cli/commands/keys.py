"""`glassplate keys`: the key ring of the cluster, and its rotation."""

import os
from pathlib import Path

import click

from glassplate.cli.connection import Connection
from glassplate.cli.views.output import json_option, print_json
from glassplate.local.key_generation import generate_varnish_safe_key, next_key_id
from permission_urls import KeyRing, KeyState, load_keys, save_keys

FIRST_KEY_ID = "a"

_STATE_DESCRIPTIONS = {
    KeyState.SIGNING: "signs and verifies",
    KeyState.ACCEPTED: "verifies",
    KeyState.RETIRED: "is invalid; its id is never reused",
}


@click.group()
def keys() -> None:
    r"""Create, list, and rotate signing keys.

    The keys sign URLs, tokens, and internal requests. They are in the file that `keys_file` of
    the config names, with mode 0600. A person with this file can sign anything. Edges get only
    the keys that verify URLs.

    A rotation that rejects no valid URL has three steps:

    \b
      1. glassplate keys add --verify-only   Key b verifies, but does not sign.
      2. glassplate keys promote b           Key b signs. Key a still verifies.
      3. glassplate keys retire a            Much later: URLs of a are rejected.

    After each step, before the next, copy the file to every machine. Restart storage nodes,
    storagemasters, and workers, one at a time. Write the configs of the edges again with
    `glassplate proxy-config`, and reload them.

    After a leak, run `add` and `retire`, and deploy the file once.

    \b
    Examples:
      glassplate keys init
      glassplate keys list
    """


@keys.command()
@click.pass_obj
def init(connection: Connection) -> None:
    r"""Create the key file of a new cluster.

    An existing file is not changed.

    \b
    Example:
      glassplate --cluster /etc/glassplate/cluster.toml keys init
    """
    path = _key_file(connection)
    if path.exists():
        click.echo(f"{path} already exists; key {load_keys(path).signing_key.key_id} signs")
        return
    save_keys(path, KeyRing(keys=(generate_varnish_safe_key(FIRST_KEY_ID, os.urandom),)))
    click.echo(f"Created {path}; key {FIRST_KEY_ID} signs. Keep it secret, and back it up.")


@keys.command("list")
@json_option
@click.pass_obj
def list_keys(connection: Connection, *, as_json: bool) -> None:
    r"""List all keys and their states, oldest first.

    Secrets are never printed.

    \b
    Examples:
      glassplate keys list
      glassplate keys list --json | jq -r '.[] | select(.state == "signing").key'
    """
    ring = load_keys(_key_file(connection))
    if as_json:
        print_json([{"key": key.key_id, "state": key.state} for key in ring.keys])
        return
    for key in ring.keys:
        click.echo(f"{key.key_id:<6}{key.state:<10}{_STATE_DESCRIPTIONS[key.state]}")


@keys.command()
@click.argument("key_id", required=False)
@click.option("--verify-only", is_flag=True, help="Verify with the key, but do not sign yet.")
@click.pass_obj
def add(connection: Connection, key_id: str | None, *, verify_only: bool) -> None:
    r"""Create a key, which signs from now on.

    Without KEY_ID, the next free id is used. The former key continues to verify. With
    --verify-only the new key signs only after `glassplate keys promote`, so that no URL is
    rejected during the rollout.

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
            f"Key {key.key_id} verifies. Deploy the file, then run: "
            f"glassplate keys promote {key.key_id}"
        )
    else:
        save_keys(path, ring.with_new_signing_key(key))
        former = ring.signing_key.key_id
        click.echo(f"Key {key.key_id} signs. Key {former} still verifies. Deploy the file.")


@keys.command()
@click.argument("key_id")
@click.pass_obj
def promote(connection: Connection, key_id: str) -> None:
    r"""Sign with an accepted key.

    The former key continues to verify.

    \b
    Example:
      glassplate keys promote b
    """
    path = _key_file(connection)
    ring = load_keys(path)
    save_keys(path, ring.with_signing_key(key_id))
    former = ring.signing_key.key_id
    click.echo(f"Key {key_id} signs. Deploy the file.")
    if former != key_id:
        click.echo(
            f"When no URL of key {former} is needed any more, run: glassplate keys retire {former}"
        )


@keys.command()
@click.argument("key_id")
@click.confirmation_option(
    prompt="Reject every URL and token of this key permanently?",
    help="Skip the confirmation.",
)
@click.pass_obj
def retire(connection: Connection, key_id: str) -> None:
    r"""Reject every URL and token of a key permanently.

    The signing key cannot be retired.

    \b
    Example:
      glassplate keys retire a
    """
    path = _key_file(connection)
    save_keys(path, load_keys(path).with_retired(key_id))
    click.echo(f"Key {key_id} is retired. Deploy the file.")


def _key_file(connection: Connection) -> Path:
    return Path(connection.cluster().keys_file)
