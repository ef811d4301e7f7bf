"""How often making the sizes of a photo is tried, and where the count is kept.

A queue can be lost, so that failed attempts are counted by files beside the original. Files are
written once and a set of names only grows, so every failed attempt but the last is a note of its
own, and the last is the `Failure`.
"""

import json
from collections.abc import Container

from volumes.photo_path import ATTEMPT_NUMBERS, Attempt, Failure, PhotoFile, PhotoVersion

ATTEMPTS_MAX = len(ATTEMPT_NUMBERS) + 1


def next_failure_record(
    photo_version: PhotoVersion, files: Container[PhotoFile]
) -> Attempt | Failure:
    """What to write when one more attempt has failed, given the files that a version has.

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
        return str(json.loads(record)["reason"])
    except (ValueError, KeyError, TypeError):
        return "no reason was recorded"
