"""Certificates for tests, made once: an elliptic curve needs a millisecond for each."""

import functools
import time
from pathlib import Path
from typing import Any

from glassplate.certificates.authority import Authority, issue, new_authority
from runtime.tls.certificate import Certificate
from runtime.tls.certificate_files import AUTHORITY_FILE, CertificateFiles
from runtime.tls.machine_name import MachineName, Role

NODE = MachineName(Role.NODE, "east-1")
MASTER = MachineName(Role.MASTER, "m1")


@functools.cache
def authority(name: str) -> Authority:
    """Return an authority, the same for each name."""
    return new_authority(name, now_seconds=time.time())


def save(folder: Path, machine: MachineName, *, by: str = "tests", **options: Any) -> Path:
    """Write a certificate of a machine to a folder, beside that of the tests' authority."""
    folder.mkdir(exist_ok=True)
    (folder / AUTHORITY_FILE).write_bytes(authority("tests").certificate_pem)
    path = CertificateFiles(folder, machine).certificate
    path.write_bytes(issue(authority(by), machine, **{"now_seconds": time.time(), **options}))
    return path


def certificate(folder: Path, machine: MachineName, **options: float) -> Certificate:
    """Return a loaded certificate of a machine."""
    save(folder, machine, **options)
    return Certificate(CertificateFiles(folder, machine))
