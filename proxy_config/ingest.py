"""Ingest: an nginx in front of the storagemasters, its config and its command line."""

from proxy_config.edge_settings import NGINX_PROGRAM, IngestSettings
from proxy_config.errors import UnknownEdge
from proxy_config.nginx import CONFIG_NAME, command_in
from proxy_config.templating import render_template
from volumes.cluster import Cluster

# The boundaries and headers of a form around a photo.
FORM_BYTES_MAX = 64 * 1024


def render_ingest(cluster: Cluster, settings: IngestSettings) -> dict[str, str]:
    """Render the files of one ingest nginx, by name. They have no secrets.

    Raises:
        UnknownEdge: The cluster has no ingest with this id.
    """
    ingest = cluster.ingests.get(settings.ingest_id)
    if ingest is None:
        raise UnknownEdge(settings.ingest_id, "ingest")
    masters = cluster.masters.values()
    local = [master for master in masters if master.colo == ingest.colo] or list(masters)
    values = {
        "ingest": ingest,
        "settings": settings,
        "local": local,
        "remote": [master for master in masters if master not in local],
        "body_bytes_max": cluster.limits.upload_bytes_max + FORM_BYTES_MAX,
    }
    return {CONFIG_NAME: render_template("ingest.conf.j2", values)}


def ingest_command(
    settings: IngestSettings, config_dir: str, *, program: str = NGINX_PROGRAM
) -> list[str]:
    """Return the command that runs the ingest nginx in the foreground."""
    return command_in(settings.run_dir, config_dir, program=program)
