"""The folder of certificates: the authority's, and one file for each machine.

ca.pem              the certificate of the authority, which every machine needs
ca-key.pem          its key, which issues certificates; keep it off the cluster's machines, or
                    elsewhere, at the path in GLASSPLATE_AUTHORITY_KEY
node-east-1.pem     certificate and key of the node `east-1`, which only that node needs
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from glassplate.certificates.authority import (
    Authority,
    issue,
    new_authority,
    parse_authority,
)
from glassplate.errors import UsageError
from permission_urls.files.replaced_file import replace_file
from runtime.tls.certificate import expiry_of
from runtime.tls.certificate_files import AUTHORITY_FILE, CertificateFiles
from runtime.tls.machine_name import MachineName, Role
from volumes.cluster import Cluster
from volumes.machines import machines_of

AUTHORITY_KEY_FILE = "ca-key.pem"
AUTHORITY_KEY_VARIABLE = "GLASSPLATE_AUTHORITY_KEY"
SECONDS_PER_DAY = 86_400
# It leaves time to notice an alert and to act.
RENEWED_BELOW_DAYS = 60

_CERTIFICATE_FILE = re.compile(rf"({'|'.join(Role)})-([a-z0-9][a-z0-9-]{{0,31}})\.pem")


class CertificatesRefused(UsageError):
    """The folder has no usable authority, or cannot be written. The message says what to do."""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """One certificate of the folder."""

    machine: MachineName
    path: Path
    expiry_seconds: float

    def days_left(self, *, now_seconds: float) -> int:
        """Return the whole days until it ends; negative after its end."""
        return int((self.expiry_seconds - now_seconds) // SECONDS_PER_DAY)


def init_certificates(cluster: Cluster, folder: Path, *, now_seconds: float) -> list[MachineName]:
    """Create the authority unless it exists, and the certificates that are missing.

    Return the machines that got one.

    Raises:
        CertificatesRefused: The key or the certificate of an existing authority is elsewhere or
            damaged, or the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CertificatesRefused(f"cannot make the folder {folder}: {error.strerror}") from error
    if not (folder / AUTHORITY_FILE).exists():
        _create_authority(cluster, folder, now_seconds=now_seconds)
    machines = machines_of(cluster)
    missing = [each for each in machines if not _path_of(folder, each).exists()]
    if missing:
        authority = load_authority(folder)
        for machine in missing:
            save_certificate(
                folder, authority, machine, hosts=machines[machine], now_seconds=now_seconds
            )
    return missing


def renew_certificates(
    cluster: Cluster, folder: Path, *, now_seconds: float, renews_all: bool = False
) -> list[Path]:
    """Renew the certificates that end soon, or all of them; return their files.

    Raises:
        CertificatesRefused: The key of the authority is elsewhere or damaged.
    """
    due = [
        each
        for each in issued_certificates(folder)
        if renews_all or each.days_left(now_seconds=now_seconds) < RENEWED_BELOW_DAYS
    ]
    if not due:
        return []
    authority, hosts = load_authority(folder), machines_of(cluster)
    return [
        save_certificate(
            folder,
            authority,
            each.machine,
            hosts=hosts.get(each.machine, ()),
            now_seconds=now_seconds,
        )
        for each in due
    ]


def _create_authority(cluster: Cluster, folder: Path, *, now_seconds: float) -> None:
    key_file = _authority_key_file(folder)
    if key_file.exists():
        raise CertificatesRefused(
            f"{key_file} is the key of an authority whose certificate {folder / AUTHORITY_FILE} is "
            f"missing: copy {AUTHORITY_FILE} here from a machine of the cluster; if none has it, "
            "remove the key and run this again"
        )
    authority = new_authority(cluster.name, now_seconds=now_seconds)
    _write(key_file, authority.key_pem)
    _write(folder / AUTHORITY_FILE, authority.certificate_pem)


def load_authority(folder: Path) -> Authority:
    """Return the authority of a folder.

    Raises:
        CertificatesRefused: Its key is not here, or damaged.
    """
    try:
        return parse_authority(
            (folder / AUTHORITY_FILE).read_bytes(), _authority_key_file(folder).read_bytes()
        )
    except (OSError, ValueError) as error:
        raise CertificatesRefused(
            f"cannot issue certificates: {error}; run this where {AUTHORITY_KEY_FILE} is kept, or "
            "create an authority with `glassplate certs init`"
        ) from error


def save_certificate(
    folder: Path,
    authority: Authority,
    machine: MachineName,
    *,
    hosts: tuple[str, ...] = (),
    now_seconds: float,
) -> Path:
    """Issue a certificate of a machine, and replace its file.

    Raises:
        CertificatesRefused: The authority has ended, a host is invalid, or the folder cannot be
            written.
    """
    path = _path_of(folder, machine)
    try:
        pem = issue(authority, machine, hosts=hosts, now_seconds=now_seconds)
    except ValueError as error:
        raise CertificatesRefused(
            f"cannot issue a certificate for {machine.role} {machine.id}: {error}"
        ) from error
    _write(path, pem)
    return path


def issued_certificates(folder: Path) -> list[IssuedCertificate]:
    """Return the certificates of a folder, sorted by file name. A damaged one has ended.

    Raises:
        CertificatesRefused: The folder has no certificate.
    """
    found = []
    for path in sorted(folder.glob("*.pem")):
        match = _CERTIFICATE_FILE.fullmatch(path.name)
        if match is not None:
            machine = MachineName(Role(match[1]), match[2])
            try:
                expiry_seconds = expiry_of(path.read_bytes())
            except ValueError:
                expiry_seconds = 0.0
            found.append(IssuedCertificate(machine, path, expiry_seconds))
    if not found:
        raise CertificatesRefused(
            f"{folder} has no certificates; create them with `glassplate certs init`, or copy them "
            "here"
        )
    return found


def _authority_key_file(folder: Path) -> Path:
    return Path(os.environ.get(AUTHORITY_KEY_VARIABLE) or folder / AUTHORITY_KEY_FILE)


def _path_of(folder: Path, machine: MachineName) -> Path:
    return CertificateFiles(folder, machine).certificate


def _write(path: Path, data: bytes) -> None:
    """Replace a file in one step, readable by its owner only."""
    try:
        replace_file(path, data, mode=0o600)
    except OSError as error:
        raise CertificatesRefused(
            f"cannot write {path}: {error.strerror}; nothing was changed there"
        ) from error
