"""Names of the files in a folder of certificates."""

from dataclasses import dataclass
from pathlib import Path

from runtime.tls.machine_name import MachineName

AUTHORITY_FILE = "ca.pem"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The files of one machine in a folder of certificates."""

    folder: Path
    machine: MachineName

    @property
    def authority(self) -> Path:
        """The certificates of the authority."""
        return self.folder / AUTHORITY_FILE

    @property
    def certificate(self) -> Path:
        """The machine's certificate, followed by its private key."""
        return self.folder / f"{self.machine.role}-{self.machine.id}.pem"
