"""nginx with nothing of ours: the limit that an edge is measured against."""

import getpass
import os
import shutil
from pathlib import Path

from glassplate.local.cluster import SERVER_PATH
from glassplate.local.edges import NGINX_WORKERS
from volumes.address import Address

# What makes nginx fast with static files is here, the cache of open files too; nothing is logged.
_BARE_NGINX = """\
{user}worker_processes {workers};
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 10000;
    open_file_cache max=8192 inactive=60s;
    types {{ image/jpeg jpg; }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {listen};
        root {root};
    }}
}}
"""


def prepare_bare_nginx(folder: Path, listen: Address, *, root: Path) -> list[str]:
    """Write the config of an nginx with nothing of ours; the arguments to run it."""
    program = shutil.which("nginx", path=SERVER_PATH)
    assert program is not None, "there is no edge without nginx"
    folder.mkdir()
    config = folder / "nginx.conf"
    # As root nginx would give the work to a user who cannot see the files.
    user = f"user {getpass.getuser()};\n" if os.geteuid() == 0 else ""
    config.write_text(
        _BARE_NGINX.format(
            user=user, workers=NGINX_WORKERS, folder=folder, listen=listen, root=root
        )
    )
    return [program, "-p", str(folder), "-c", str(config), "-g", "daemon off;"]
