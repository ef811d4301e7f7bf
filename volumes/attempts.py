"""Limit on the attempts to make the sizes of a photo, and the files that count them.

The queue can be lost, so files beside the original count the failed attempts. Files are immutable.
Every failed attempt except the last is therefore a file of its own, and the last is the `Failure`.
"""

from collections.abc import Container

from volumes.json_text import parse_json
from volumes.photo_path import ATTEMPT_NUMBERS, Attempt, Failure, PhotoFile, PhotoVersion

ATTEMPTS_MAX = len(ATTEMPT_NUMBERS) + 1


def next_failure_record(
    photo_version: PhotoVersion, files: Container[PhotoFile]
) -> Attempt | Failure:
    """Return the file to write after one more failed attempt, given the files of the version.

    >>> from volumes.photo_path import parse_photo_version
    >>> photo_version = parse_photo_version("42/01jd3x8m2c9qp4k7/3fz8qd")
    >>> next_failure_record(photo_version, []).number
    1
    >>> next_failure_record(photo_version, [Attempt(photo_version, 1), Attempt(photo_version, 2)])
    Failure(photo_version=PhotoVersion(volume=42, photo='01jd3x8m2c9qp4k7', version='3fz8qd'))
    """
    for number in ATTEMPT_NUMBERS:
        if Attempt(photo_version, number) not in files:
            return Attempt(photo_version, number)
    return Failure(photo_version)


def reason_in(record: bytes) -> str:
    """Return the reason in a failure record.

    >>> reason_in(b'{"kind": "TimeLimitExceeded", "reason": "it took longer than 60 s"}')
    'it took longer than 60 s'
    """
    try:
        return str(parse_json(record)["reason"])
    except (ValueError, KeyError, TypeError):
        return "no reason was recorded"
