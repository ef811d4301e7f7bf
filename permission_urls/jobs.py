r"""Signed jobs: a worker runs only jobs of a storagemaster.

    {key}.{mac}                   the signature; the MAC has the salt `job` and covers
    {name}={value}\n ...          one line per field, sorted by name

A job has no expiry, because jobs are idempotent.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from permission_urls.errors import NoPermission, Unsignable
from permission_urls.key_source import KeySource
from permission_urls.keys import KEY_ID_PATTERN, KeyRing
from permission_urls.purposes import Purpose
from permission_urls.signing import MAC_PATTERN, KeyedMac, PurposeSigner, PurposeVerifier

_SIGNATURE = re.compile(rf"({KEY_ID_PATTERN})\.({MAC_PATTERN})")
_NAME = re.compile(r"[^=\n]+")


def sign_job(keys: KeySource, fields: Mapping[str, str]) -> str:
    """Sign a job's fields with the signing key.

    Raises:
        Unsignable: A name is empty or has `=`, a name or value has a newline, or a field is not
            Unicode text.
    """
    key_id, mac = _signing_mac(keys.ring(Purpose.JOB))
    return f"{key_id}.{mac(_canonical_lines(fields))}"


def verify_job(keys: KeySource, signature: str, fields: Mapping[str, str]) -> str:
    """Return the id of the key that signed exactly these fields. The fields are untrusted.

    Raises:
        Forbidden: The signature is invalid, and the job must not run; the subclass has the reason.
    """
    match = _SIGNATURE.fullmatch(signature)
    if match is None:
        raise NoPermission
    key_id, mac = match.groups()
    try:
        message = _canonical_lines(fields)
    except Unsignable as error:
        raise NoPermission from error
    PurposeVerifier.of(keys, Purpose.JOB).check(message, key_id=key_id, mac=mac)
    return key_id


@lru_cache(maxsize=8)
def _signing_mac(ring: KeyRing) -> tuple[str, KeyedMac]:
    return PurposeSigner(ring, Purpose.JOB).current()


def _canonical_lines(fields: Mapping[str, str]) -> bytes:
    for name, value in fields.items():
        if not _is_one_line(name, value):
            raise Unsignable(f"job field {name!r} is ambiguous")
    lines = [f"{name}={value}\n" for name, value in sorted(fields.items())]
    try:
        return "".join(lines).encode()
    except UnicodeEncodeError as error:
        raise Unsignable("a job field is not Unicode text") from error


def _is_one_line(name: object, value: object) -> bool:
    # Fields are untrusted input from the queue, so their types are checked.
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and _NAME.fullmatch(name) is not None
        and "\n" not in value
    )
