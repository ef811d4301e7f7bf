"""An edge's files as one thing: rendered for its kind, judged by its server, written together."""

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from glassplate.edges.files import write_files
from glassplate.edges.reload import reloading_nginx, reloading_varnish
from proxy_config import nginx, varnish
from proxy_config.edge_settings import (
    NGINX_PROGRAM,
    VARNISH_PROGRAM,
    NginxSettings,
    VarnishSettings,
)
from proxy_config.routing import find_edge
from volumes.cluster import Cluster

CHECK_SECONDS_MAX = 60


class ConfigRejected(Exception):
    """The server does not accept the files, or is not here to say so; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEdge:
    """An edge's files by name, and what to do with them."""

    files: Mapping[str, str]
    main_file: str
    secret_files: frozenset[str]
    program: str
    command: Callable[[str], list[str]]
    """The arguments that run the edge, given the folder of its files."""
    check_command: Callable[[str], list[str]]
    """The arguments that have the server read the files, judge them, and end."""
    reload: Callable[[str], None]
    """Has the edge, where it is running, take the files of the folder."""


def rendered_nginx(
    cluster: Cluster, choices: NginxSettings, read_keys: Mapping[str, str]
) -> RenderedEdge:
    """An nginx edge.

    Raises:
        ProxyConfigError: The choices or keys make none.
    """
    command = functools.partial(nginx.nginx_command, choices)
    return RenderedEdge(
        files=nginx.render_nginx(cluster, choices, read_keys),
        main_file=nginx.CONFIG_NAME,
        secret_files=frozenset({nginx.KEYS_NAME}),
        program=NGINX_PROGRAM,
        command=command,
        check_command=lambda folder: [*command(folder), "-t"],
        reload=reloading_nginx(command),
    )


def rendered_varnish(
    cluster: Cluster, choices: VarnishSettings, read_keys: Mapping[str, str]
) -> RenderedEdge:
    """A Varnish edge.

    Raises:
        ProxyConfigError: The choices or keys make none.
    """
    main_file = varnish.CONFIG_NAME
    edge = find_edge(cluster, choices.edge_id, "varnish")
    return RenderedEdge(
        files=varnish.render_varnish(cluster, choices, read_keys),
        main_file=main_file,
        secret_files=frozenset({varnish.KEYS_NAME}),
        program=VARNISH_PROGRAM,
        command=functools.partial(varnish.varnish_command, edge, choices),
        # Started by root, Varnish reads its files as another user, for whom these are not.
        check_command=lambda folder: [
            *(VARNISH_PROGRAM, "-j", "none", "-C", "-f", f"{folder}/{main_file}")
        ],
        reload=reloading_varnish(varnish.work_dir(choices), main_file),
    )


def write_edge(edge: RenderedEdge, folder: Path, *, check: bool) -> None:
    """Write all files of an edge to a folder, which is made if it is not there.

    All are written, and checked where asked, before the first takes the place of an old one.

    Raises:
        ConfigRejected: They were to be checked, and that did not go well.
        OSError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as staging:
        write_files(Path(staging), dict(edge.files))
        if check:
            _check(edge, staging)
        for name in edge.files:
            (Path(staging) / name).replace(folder / name)


def _check(edge: RenderedEdge, folder: str) -> None:
    if shutil.which(edge.program) is None:
        raise ConfigRejected(f"{edge.program} is not here to check the files; nothing was written")
    done = subprocess.run(  # noqa: S603  # its arguments are ours
        edge.check_command(folder),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=CHECK_SECONDS_MAX,
    )
    if done.returncode:
        raise ConfigRejected(f"{edge.program} refused the files:\n{done.stderr.strip()}")
