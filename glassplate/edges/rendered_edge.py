"""The files of an edge: rendered for its kind, checked by its server, and written together."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from glassplate.edges.reload import reload_nginx, reload_varnish
from permission_urls import KeySource, Purpose, derived_keys
from proxy_config import ingest, nginx, varnish
from proxy_config.edge_settings import (
    NGINX_PROGRAM,
    VARNISH_PROGRAM,
    IngestSettings,
    NginxSettings,
    VarnishSettings,
)
from proxy_config.routing import find_edge
from volumes.cluster import Cluster

CHECK_SECONDS_MAX = 60
_SECRET_MODE = 0o600


class ConfigRejected(Exception):
    """Files that the server did not accept, or could not check. Nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEdge:
    """The files of an edge by name, and the operations on them."""

    files: Mapping[str, str]
    main_file: str
    secret_files: frozenset[str]
    program: str
    command: Callable[[str], list[str]]
    """The command that runs the edge, given the folder of its files."""
    check_command: Callable[[str], list[str]]
    """The command that validates the files of a folder."""
    reload: Callable[[str], None]
    """Makes a running edge load the files of a folder. Raises `ReloadFailed`."""
    pid_file: Path
    """The file that the server writes when it starts."""


def rendered_nginx(
    cluster: Cluster, settings: NginxSettings, keys: KeySource, *, program: str = NGINX_PROGRAM
) -> RenderedEdge:
    """Render an nginx edge.

    Raises:
        ProxyConfigError: The settings or keys are invalid.
    """
    command = partial(nginx.nginx_command, settings, program=program)
    return RenderedEdge(
        files=nginx.render_nginx(cluster, settings, read_keys_of(keys)),
        main_file=nginx.CONFIG_NAME,
        secret_files=frozenset({nginx.KEYS_NAME}),
        program=program,
        command=command,
        check_command=lambda folder: [*command(folder), "-t"],
        reload=lambda folder: reload_nginx(command(folder)),
        pid_file=Path(settings.run_dir, nginx.PID_NAME),
    )


def rendered_ingest(
    cluster: Cluster, settings: IngestSettings, *, program: str = NGINX_PROGRAM
) -> RenderedEdge:
    """Render an nginx in front of the storagemasters.

    Raises:
        ProxyConfigError: The settings are invalid.
    """
    command = partial(ingest.ingest_command, settings, program=program)
    return RenderedEdge(
        files=ingest.render_ingest(cluster, settings),
        main_file=nginx.CONFIG_NAME,
        secret_files=frozenset(),
        program=program,
        command=command,
        check_command=lambda folder: [*command(folder), "-t"],
        reload=lambda folder: reload_nginx(command(folder)),
        pid_file=Path(settings.run_dir, nginx.PID_NAME),
    )


def rendered_varnish(
    cluster: Cluster, settings: VarnishSettings, keys: KeySource, *, program: str = VARNISH_PROGRAM
) -> RenderedEdge:
    """Render a Varnish edge.

    Raises:
        ProxyConfigError: The settings or keys are invalid.
    """
    main_file = varnish.CONFIG_NAME
    edge = find_edge(cluster, settings.edge_id, "varnish")
    return RenderedEdge(
        files=varnish.render_varnish(cluster, settings, read_keys_of(keys)),
        main_file=main_file,
        secret_files=frozenset({varnish.KEYS_NAME}),
        program=program,
        command=partial(varnish.varnish_command, edge, settings, program=program),
        # Without a jail: root's Varnish would otherwise read the files as a user without access.
        check_command=lambda folder: [program, "-j", "none", "-C", "-f", f"{folder}/{main_file}"],
        reload=lambda folder: reload_varnish(varnish.work_dir(settings), f"{folder}/{main_file}"),
        pid_file=Path(varnish.work_dir(settings), varnish.PID_NAME),
    )


def read_keys_of(keys: KeySource) -> dict[str, str]:
    """Return the keys of an edge by id, in hex. They verify read permissions and nothing else."""
    return {
        id_: key.hex() for id_, key in derived_keys(keys.ring(Purpose.READ), Purpose.READ).items()
    }


def write_edge(edge: RenderedEdge, folder: Path, *, check: bool = False) -> None:
    """Write all files of an edge to a folder, which is created if it is missing.

    All files are written, and checked if `check` is True, before the first one replaces an old one.
    Only their owner can read them.

    Raises:
        ConfigRejected: The check failed.
        OSError: The files cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as staging:
        for name, text in edge.files.items():
            fresh = Path(staging, name)
            fresh.touch(mode=_SECRET_MODE)
            fresh.write_text(text)
        if check:
            _check(edge, staging)
        for name in edge.files:
            Path(staging, name).replace(folder / name)


def _check(edge: RenderedEdge, folder: str) -> None:
    if shutil.which(edge.program) is None:
        raise ConfigRejected(
            f"cannot check the files: {edge.program} is not installed; nothing was written"
        )
    try:
        done = subprocess.run(  # noqa: S603  # the arguments come from this program
            edge.check_command(folder),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=CHECK_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired:
        raise ConfigRejected(
            f"{edge.program} did not check the files within {CHECK_SECONDS_MAX} s; nothing was "
            "written; try again, or write them without --check"
        ) from None
    if done.returncode:
        raise ConfigRejected(
            f"{edge.program} rejected the files; nothing was written:\n{done.stderr.strip()}"
        )
