"""Plain nginx over static files: the baseline of the edges."""

import getpass
import os
import shutil
from pathlib import Path

from glassplate.local.cluster import SERVER_PATH
from glassplate.local.edges import NGINX_WORKERS
from volumes.address import Address

# Tuned for static files: sendfile, a cache of open files, and no access log.
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
    """Write the config of a plain nginx; return the command that runs it."""
    program = shutil.which("nginx", path=SERVER_PATH)
    assert program is not None, "nginx is not installed"
    folder.mkdir()
    config = folder / "nginx.conf"
    # Started by root, nginx would use a default user that cannot read the files.
    user = f"user {getpass.getuser()};\n" if os.geteuid() == 0 else ""
    config.write_text(
        _BARE_NGINX.format(
            user=user, workers=NGINX_WORKERS, folder=folder, listen=listen, root=root
        )
    )
    return [program, "-p", str(folder), "-c", str(config), "-g", "daemon off;"]
