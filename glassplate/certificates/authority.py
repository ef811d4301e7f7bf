"""The authority of a cluster and what it issues: pure functions over keys and certificates."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from runtime.tls.machine_name import MachineName, parse_machine_name

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 365
# Machines whose clocks are behind accept a new certificate at once.
BACKDATED = timedelta(days=1)

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificate of an authority, and the key with which it signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def end(self) -> datetime:
        """The end of the authority, and so of everything that it issues."""
        return self.certificate.not_valid_after_utc

    @property
    def certificate_pem(self) -> bytes:
        """The certificate, which every machine has."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The secret key, which no machine of the cluster needs."""
        return _key_pem(self.key)


def new_authority(cluster: str, *, now_seconds: float) -> Authority:
    """Return the authority of a new cluster."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"glassplate {cluster}"[:64])])
    usage = _key_usage(signs_certificates=True)
    certificate = (
        _builder(name, name, key, now_seconds=now_seconds, days=AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def parse_authority(certificate_pem: bytes, key_pem: bytes) -> Authority:
    """Parse the PEM texts of an authority.

    Raises:
        ValueError: They are not the certificate and the key of one authority.
    """
    key = load_pem_private_key(key_pem, password=None)
    certificates = x509.load_pem_x509_certificates(certificate_pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key of the authority has another kind")  # noqa: TRY004  # of a file
    for certificate in certificates:
        if certificate.public_key() == key.public_key():
            return Authority(certificate, key)
    raise ValueError("the key of the authority fits none of its certificates")


def issue(
    authority: Authority,
    machine: MachineName,
    *,
    hosts: Sequence[str] = (),
    now_seconds: float,
    days: float = CERTIFICATE_DAYS,
) -> bytes:
    """Return a new certificate of a machine with its new key, as one PEM text.

    `hosts` are its names and addresses, for clients that do not know its role and id. The
    certificate ends with its authority, so that its own end is the one to watch.

    Raises:
        ValueError: The authority has ended, or a host is invalid.
    """
    now = _utc(now_seconds)
    if now >= authority.end:
        raise ValueError(
            f"the authority ended on {authority.end:%Y-%m-%d}; replace it, as in docs/security.md"
        )
    days = min(days, (authority.end - now) / timedelta(days=1))
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(machine))])
    issuer = authority.certificate.subject
    names = [x509.DNSName(str(machine)), *map(_general_name, dict.fromkeys(hosts))]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        _builder(name, issuer, key, now_seconds=now_seconds, days=days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM) + _key_pem(key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    now_seconds: float,
    days: float,
) -> x509.CertificateBuilder:
    now = _utc(now_seconds)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    if _HOST.fullmatch(host) is None or len(host) > 253:
        raise ValueError(f"invalid host {host!r}: must be a DNS name or an IP address")
    if parse_machine_name(host.lower()) is not None:
        raise ValueError(f"invalid host {host!r}: it names a machine of the cluster")
    return x509.DNSName(host)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
