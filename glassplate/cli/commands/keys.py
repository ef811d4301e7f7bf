"""`glassplate keys`: the keys of the cluster by purpose, their rotation, and their export."""

import asyncio
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import Failure, WrongUsage
from glassplate.cli.options.parameter_types import DURATION
from glassplate.cli.options.read_key_limits import (
    longest_option,
    only_option,
    parse_restriction,
    signing_read_key,
)
from glassplate.cli.views.output import json_option, print_json
from glassplate.doctor.key_rollout import processes_without
from glassplate.local.key_generation import (
    generate_cluster_keys,
    generate_key_for,
    next_key_id,
    today,
)
from permission_urls import (
    UNRESTRICTED,
    Key,
    KeyRing,
    Keys,
    KeyState,
    Purpose,
    Restriction,
    load_keys,
    restricted_key,
    save_keys,
)
from permission_urls.files.file_lock import locked

PURPOSES = tuple(purpose.value for purpose in Purpose)
ROTATED = tuple(purpose.value for purpose in Purpose if purpose.is_rotated)
# Processes look at the key file every second, and edges are reloaded, which takes longer.
ROLLOUT = timedelta(seconds=5)
# A busy machine may take longer still. Nodes and edges report the keys that they have.
ROLLOUT_SECONDS_MAX = 60.0
ROLLOUT_PAUSE_SECONDS = 0.5

_STATE_DESCRIPTIONS = {
    KeyState.SIGNING: "signs and verifies",
    KeyState.ACCEPTED: "verifies",
    KeyState.RETIRED: "is invalid; its id is never reused",
}


class _PurposeType(click.Choice[str]):
    """A purpose by its name."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Purpose:
        """Return the purpose."""
        return Purpose(super().convert(value, param, ctx))


purpose_option = click.option(
    "--purpose",
    required=True,
    type=_PurposeType(ROTATED),
    metavar="PURPOSE",
    help="Purpose of the key.",
)


@click.group()
def keys() -> None:
    r"""Create, list, rotate, and export keys.

    Each purpose has keys of its own: read (URLs), token, internal, job, webhook, tombstone,
    partial-upload, ticket, cache, console, map, and photo-id. They are in the file that `keys_file`
    of the config names, with mode 0600. A person with this file can sign anything. Edges get only
    the keys that verify URLs.

    Every process and every edge of `glassplate up` or `proxy-config --watch` follows a change of
    the file within two seconds, or on SIGHUP. On one machine, a rotation is one command:

    \b
      glassplate keys add --purpose read     Key b verifies; after 5 s, it signs.
      glassplate keys retire --purpose read a

    With several machines, copy the file to all of them after each step:

    \b
      1. glassplate keys add --purpose read --verify-only
      2. glassplate keys promote --purpose read b
      3. glassplate keys retire --purpose read a      URLs of a are rejected.

    \b
    Examples:
      glassplate keys init
      glassplate keys list --purpose read
    """


@keys.command()
@click.pass_obj
def init(connection: Connection) -> None:
    r"""Create the key file of a new cluster.

    Existing keys stay. A purpose without keys gets one.

    \b
    Example:
      glassplate --cluster /etc/glassplate/cluster.toml keys init
    """
    path = _key_file(connection)
    with locked(path):
        click.echo(_init(path))


@keys.command("list")
@click.option(
    "--purpose",
    type=_PurposeType(PURPOSES),
    metavar="PURPOSE",
    help="Purpose to list; all by default.",
)
@json_option
@click.pass_obj
def list_keys(connection: Connection, *, purpose: Purpose | None, as_json: bool) -> None:
    r"""List keys and their states by purpose, oldest first.

    Secrets are never printed.

    \b
    Examples:
      glassplate keys list
      glassplate keys list --json | jq -r '.[] | select(.state == "signing").key'
    """
    rings = load_keys(_key_file(connection)).rings
    listed = [(name, key) for name in rings if purpose in {None, name} for key in rings[name].keys]
    if as_json:
        print_json(
            [
                {
                    "purpose": name,
                    "key": key.key_id,
                    "state": key.state,
                    "made": key.made and key.made.isoformat(),
                }
                for name, key in listed
            ]
        )
        return
    for name, key in listed:
        description = _STATE_DESCRIPTIONS[key.state]
        made = key.made or "unknown"
        click.echo(f"{name:<15}{key.key_id:<6}{key.state:<10}{made!s:<12}{description}")


@keys.command()
@click.option(
    "--purpose",
    "purposes",
    required=True,
    multiple=True,
    type=_PurposeType(ROTATED),
    metavar="PURPOSE",
    help="Purpose of the key. Repeatable.",
)
@click.argument("key_id", required=False)
@click.option("--verify-only", is_flag=True, help="Verify with the key, but do not sign yet.")
@click.option(
    "--wait",
    type=DURATION,
    default=f"{ROLLOUT.seconds}s",
    show_default=True,
    help="Least time for processes and edges to follow before the key signs.",
)
@click.pass_obj
def add(
    connection: Connection,
    *,
    purposes: tuple[Purpose, ...],
    key_id: str | None,
    verify_only: bool,
    wait: timedelta,
) -> None:
    r"""Create a key, which signs once every process knows it.

    Without KEY_ID, the next free id is used. The former key continues to verify. A key for URLs
    signs when each node and edge that responds has it. With --verify-only the new key signs only
    after `glassplate keys promote`, for machines that do not share the file.

    \b
    Examples:
      glassplate keys add --purpose read
      glassplate keys add --purpose token 2027 --verify-only
    """
    path = _key_file(connection)
    added = {}
    with locked(path):
        current = load_keys(path)
        for purpose in dict.fromkeys(purposes):
            ring = current.ring(purpose)
            generated = generate_key_for(purpose, key_id or next_key_id(ring), os.urandom)
            key = replace(generated, made=today())
            current = current.with_ring(purpose, ring.with_accepted_key(key))
            added[purpose] = key.key_id
        save_keys(path, current)
    for purpose, id_ in added.items():
        if verify_only:
            click.echo(
                f"Key {id_} verifies. Deploy the file, then run: "
                f"glassplate keys promote --purpose {purpose} {id_}"
            )
        else:
            click.echo(f"Key {id_} verifies, and signs in {wait.total_seconds():.0f} s.")
    if not verify_only:
        time.sleep(wait.total_seconds())
        # Last, so that an edge that does not follow delays no other purpose.
        for purpose in sorted(added, key=lambda each: each is Purpose.READ):
            if purpose is Purpose.READ:
                _wait_for_followers(connection, path, added[purpose])
            _promote(path, purpose, added[purpose])


@keys.command()
@purpose_option
@click.argument("key_id")
@click.option("--now", "at_once", is_flag=True, help="Do not wait for nodes and edges to follow.")
@click.pass_obj
def promote(connection: Connection, *, purpose: Purpose, key_id: str, at_once: bool) -> None:
    r"""Sign with an accepted key, once every process knows it.

    The former key continues to verify. A key for URLs signs when each node and edge that responds
    has it. With --now it signs at once, and an edge without it refuses valid URLs.

    \b
    Example:
      glassplate keys promote --purpose read b
    """
    path = _key_file(connection)
    load_keys(path).ring(purpose).with_signing_key(key_id)  # raises if the key cannot sign
    if purpose is Purpose.READ and not at_once:
        _wait_for_followers(connection, path, key_id)
    _promote(path, purpose, key_id)


@keys.command()
@purpose_option
@click.argument("key_id")
@click.confirmation_option(
    prompt="Reject everything that this key signed, permanently?",
    help="Skip the confirmation.",
)
@click.pass_obj
def retire(connection: Connection, *, purpose: Purpose, key_id: str) -> None:
    r"""Reject everything that a key signed, permanently.

    The signing key cannot be retired.

    \b
    Example:
      glassplate keys retire --purpose read a
    """
    path = _key_file(connection)
    with locked(path):
        current = load_keys(path)
        save_keys(path, current.with_ring(purpose, current.ring(purpose).with_retired(key_id)))
    click.echo(f"Key {key_id} of purpose {purpose} is retired. Deploy the file.")


@keys.command()
@click.option(
    "--purpose",
    "purposes",
    required=True,
    multiple=True,
    type=_PurposeType(PURPOSES),
    metavar="PURPOSE",
    help="Purpose to export. Repeatable.",
)
@only_option
@longest_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Key file to write, with mode 0600.",
)
@click.pass_obj
def export(
    connection: Connection,
    *,
    purposes: tuple[Purpose, ...],
    size_classes: tuple[str, ...],
    longest: timedelta | None,
    out: Path,
) -> None:
    r"""Write a key file that has some purposes only.

    With purpose read, an application signs URLs of any photo whose reference it knows, and
    nothing else. With purpose webhook, it checks webhooks. A storage node needs read, internal,
    and tombstone; a worker needs internal and job.

    With --only and --longest, the key of purpose read signs URLs of some size classes, or that end
    soon, and edges and nodes refuse all others. It ends when the key that it derives from is
    retired.

    Retired keys are left out, but for tombstone and map: what they signed stays valid.

    \b
    Examples:
      glassplate keys export --purpose read --out shop-read.toml
      glassplate keys export --purpose read --only web --longest 7d --out web.toml
      glassplate keys export --purpose internal --purpose job --out worker.toml
    """
    current = load_keys(_key_file(connection))
    restriction = parse_restriction(size_classes, longest)
    if restriction == UNRESTRICTED:
        exported = {purpose: _exported_ring(current, purpose) for purpose in purposes}
    elif set(purposes) != {Purpose.READ}:
        raise WrongUsage("only a key of purpose read can be restricted; export the others alone")
    else:
        exported = {Purpose.READ: _restricted_ring(current, restriction)}
    save_keys(out, Keys(exported))
    click.echo(
        f"Wrote {out}: {', '.join(purposes)}{f' {restriction.text}' * bool(restriction.text)}"
    )


def _exported_ring(keys: Keys, purpose: Purpose) -> KeyRing:
    ring = keys.ring(purpose)
    return ring if purpose.outlives_its_keys else ring.without_retired()


def _restricted_ring(keys: Keys, restriction: Restriction) -> KeyRing:
    """Return the key that signs within a restriction, without the key that it derives from."""
    key = restricted_key(signing_read_key(keys), restriction)
    restricted = Key(key_id=key.key_id, secret=key.secret, state=KeyState.SIGNING, made=today())
    return KeyRing(keys=(restricted,))


def _init(path: Path) -> str:
    """Create the key file, or add what it lacks; return a message."""
    if not path.exists():
        save_keys(path, generate_cluster_keys(os.urandom).made_on(today()))
        return f"Created {path}: one key for each purpose. Keep it secret, and back it up."
    existing = load_keys(path)
    missing = [purpose for purpose in Purpose if purpose not in existing.rings]
    if not missing:
        return f"{path} already exists, with keys for every purpose"
    generated = generate_cluster_keys(os.urandom).made_on(today())
    save_keys(path, Keys({**generated.rings, **existing.rings}))
    return f"Added keys to {path}: {', '.join(missing)}"


def _promote(path: Path, purpose: Purpose, key_id: str) -> None:
    with locked(path):
        current = load_keys(path)
        ring = current.ring(purpose)
        save_keys(path, current.with_ring(purpose, ring.with_signing_key(key_id)))
    former = ring.signing_key.key_id
    click.echo(f"Key {key_id} signs. Deploy the file.")
    if former != key_id:
        click.echo(
            f"When nothing that key {former} signed is needed any more, run: "
            f"glassplate keys retire --purpose {purpose} {former}"
        )


def _wait_for_followers(connection: Connection, path: Path, id_: str) -> None:
    """Return when each node and edge that responds has the keys of the file.

    Raises:
        Failure: One does not follow.
    """
    begun = time.monotonic()
    while behind := asyncio.run(processes_without(connection.cluster(), load_keys(path))):
        if time.monotonic() - begun > ROLLOUT_SECONDS_MAX:
            raise Failure(
                f"Key {id_} verifies and does not sign, because {', '.join(behind)} would refuse "
                "its URLs: they have other keys.\n"
                "See `glassplate doctor`; then run: "
                f"glassplate keys promote --purpose {Purpose.READ} {id_}"
            )
        time.sleep(ROLLOUT_PAUSE_SECONDS)


def _key_file(connection: Connection) -> Path:
    return Path(connection.cluster().keys_file)
