"""The text of a volume map, in TOML. The same map always has the same text."""

import dataclasses
import itertools
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from volumes.cluster import Node, NodeState, Volume
from volumes.config.config_reader import InvalidConfig, Problem, Table
from volumes.config.map_tables import MapTables, read_map_tables
from volumes.map.volume_map import VolumeMap
from volumes.photo_path import VolumeId
from volumes.volume_state import VolumeState

T = TypeVar("T")

WHERE = "the volume map"


def render_map(volume_map: VolumeMap) -> str:
    """Return the text of a map, which `parse_map` reads back."""
    head: dict[str, Any] = {
        "version": volume_map.version,
        "after": volume_map.after,
        "why": volume_map.why,
        **({"at": volume_map.at} if volume_map.at else {}),
        **({"by": volume_map.by} if volume_map.by else {}),
    }
    return "\n".join([*_assignments(head), "", *_tables(volume_map.tables)])


def parse_map(text: str) -> VolumeMap:
    """Parse the text of a map.

    Raises:
        InvalidConfig: The text is not TOML, or has problems; it lists all of them with their keys.
    """
    top = _top(text)
    volume_map = VolumeMap(
        version=top.integer("version", least=2),
        after=top.text("after"),
        why=top.text("why", ""),
        at=top.text("at", ""),
        by=top.text("by", ""),
        tables=read_map_tables(top),
    )
    return _checked(top, volume_map)


def parse_tables(text: str) -> MapTables:
    """Parse the tables of an edited map, whatever version it says that it is.

    Raises:
        InvalidConfig: As `parse_map`.
    """
    top = _top(text)
    top.integer("version", 1)
    top.text("after", "")
    for name in ("why", "at", "by"):
        top.text(name, "")
    return _checked(top, read_map_tables(top))


def version_of(text: str) -> int | None:
    """Return the version of an edited map, None for a part of `cluster.toml` without one.

    Raises:
        InvalidConfig: The text is not TOML, or its version is invalid.
    """
    top = _top(text)
    version = top.integer("version", 0)
    _raise_problems(top)
    return version or None


def _top(text: str) -> Table:
    try:
        return Table("", tomllib.loads(text), [])
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig((Problem("(file)", f"is not TOML: {error}"),), where=WHERE) from error


def _checked(top: Table, value: T) -> T:
    top.report_unknown_keys()
    _raise_problems(top)
    return value


def _raise_problems(top: Table) -> None:
    if top.problems:
        raise InvalidConfig(tuple(top.problems), where=WHERE)


def _tables(tables: MapTables) -> Iterator[str]:
    for node in tables.nodes.values():
        yield from _table(f"[nodes.{node.id}]", _node(node))
    for node in tables.gone_nodes.values():
        yield from _table(f"[gone_nodes.{node.id}]", _node(node))
    for master in tables.masters.values():
        fields = {"colo": master.colo, "address": str(master.address)}
        if master.internal is not None:
            fields["internal"] = str(master.internal)
        yield from _table(f"[masters.{master.id}]", fields)
    for edge in tables.edges.values():
        ports = {"listen": str(edge.listen), "purge": str(edge.purge)}
        yield from _table(f"[edges.{edge.id}]", {"colo": edge.colo, "kind": edge.kind, **ports})
    for ingest in tables.ingests.values():
        fields = {"colo": ingest.colo, "listen": str(ingest.listen)}
        yield from _table(f"[ingests.{ingest.id}]", fields)
    for numbers, volume in _ranges(tables.volumes.values()):
        yield from _table("[[volumes]]", _volume(numbers, volume))


def _table(header: str, fields: Mapping[str, Any]) -> list[str]:
    return [header, *_assignments(fields), ""]


def _assignments(fields: Mapping[str, Any]) -> list[str]:
    # Numbers, and JSON strings and lists of them, are also TOML.
    return [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]


def _node(node: Node) -> dict[str, Any]:
    optional = {
        "state": (node.state.value, NodeState.OPEN.value),
        "weight": (node.weight, 1.0),
        "uuid": (node.uuid, ""),
        "read_tls": (str(node.read_tls or ""), ""),
        "syncfs": (node.syncfs, "auto"),
        "endpoint": (node.endpoint, ""),
        "region": (node.region, ""),
        "bucket_replicas": (node.bucket_replicas, 1),
    }
    return {
        "colo": node.colo,
        "read": str(node.read),
        "write": str(node.write),
        "store": node.store,
        **{name: value for name, (value, default) in optional.items() if value != default},
    }


def _volume(numbers: str, volume: Volume) -> dict[str, Any]:
    fields: dict[str, Any] = {"numbers": numbers, "mirrors": list(volume.mirrors)}
    if volume.joining:
        fields["joining"] = list(volume.joining)
    if volume.leaving:
        fields["leaving"] = list(volume.leaving)
    if volume.state is not VolumeState.OPEN:
        fields["state"] = volume.state.value
    if volume.since != 1:
        fields["since"] = volume.since
    return fields


def _ranges(volumes: Iterable[Volume]) -> Iterator[tuple[str, Volume]]:
    """Yield the numbers of alike volumes that follow each other, and the first of them."""
    ordered = enumerate(sorted(volumes, key=lambda volume: volume.number))

    def alike(entry: tuple[int, Volume]) -> tuple[Any, ...]:
        index, volume = entry
        return (volume.number - index, dataclasses.replace(volume, number=VolumeId(1)))

    for _, group in itertools.groupby(ordered, alike):
        run = [volume for _, volume in group]
        first, last = run[0], run[-1]
        numbers = str(first.number)
        yield (numbers if first is last else f"{numbers}-{last.number}"), first
