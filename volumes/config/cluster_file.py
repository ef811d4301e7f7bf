"""Reader of the file `cluster.toml`. Relative paths become absolute only here."""

import dataclasses
import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

from volumes.bucket_location import S3_SCHEME
from volumes.cluster import Cluster, Node
from volumes.config.cluster_config import parse_cluster
from volumes.config.config_lines import line_of
from volumes.config.config_reader import InvalidConfig, Problem
from volumes.map.map_text import parse_map
from volumes.map.volume_map import with_map

MAP_NAME = "volume-map.toml"
"""The map in force beside `cluster.toml`, as a process of the machine last received it."""


def load_cluster(path: Path) -> Cluster:
    """Load a cluster config; its paths are relative to its own directory.

    Raises:
        InvalidConfig: The config is invalid, or shows a password to all users.
        OSError: The file cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read()
    except UnicodeDecodeError as error:
        problem = Problem("(file)", f"is not UTF-8: {error}")
        raise InvalidConfig((problem,), where=str(path)) from error
    try:
        cluster = parse_cluster(text)
    except InvalidConfig as error:
        problems = (dataclasses.replace(p, line=line_of(text, p.key)) for p in error.problems)
        raise InvalidConfig(tuple(problems), where=str(path)) from error
    if mode & stat.S_IRWXO and urlsplit(cluster.queue_url).password:
        message = (
            f"has a password, but all users can read this file: mode is {mode:04o}; chmod o= {path}"
        )
        problem = Problem("queue_url", message, line_of(text, "queue_url"))
        raise InvalidConfig((problem,), where=str(path))
    folder = path.resolve().parent
    cluster = with_newer_map(cluster, path.with_name(MAP_NAME))
    return dataclasses.replace(
        cluster,
        keys_file=str(folder / cluster.keys_file),
        queue_password_file=cluster.queue_password_file
        and str(folder / cluster.queue_password_file),
        tls=dataclasses.replace(cluster.tls, folder=str(folder / cluster.tls.folder)),
        nodes={id_: _resolved(node, folder) for id_, node in cluster.nodes.items()},
    )


def with_newer_map(cluster: Cluster, path: Path) -> Cluster:
    """Return the cluster with the map of a file, if there is one and it is newer.

    Raises:
        InvalidConfig: The map is invalid.
    """
    try:
        found = parse_map(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return cluster
    except (UnicodeDecodeError, InvalidConfig) as error:
        problem = Problem("(file)", f"{error}; remove the file, and it is written again")
        raise InvalidConfig((problem,), where=str(path)) from error
    return with_map(cluster, found) if found.version > cluster.map_version else cluster


def save_map(signed: str, path: Path) -> None:
    """Replace the file of the map in force."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(signed, encoding="utf-8")
    fresh.replace(path)


def _resolved(node: Node, folder: Path) -> Node:
    if node.store.startswith(S3_SCHEME):
        return node
    return dataclasses.replace(node, store=str(folder / node.store))
