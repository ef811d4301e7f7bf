"""How often making the sizes of a photo is tried, and where the count is kept.

A queue can be lost, so that failed attempts are counted by files beside the original. Files are
written once and a set of names only grows, so every failed attempt but the last is a note of its
own, and the last is the `Failure`.
"""

from collections.abc import Container

from volumes.photo_path import ATTEMPT_NUMBERS, Attempt, Failure, PhotoFile, PhotoVersion

ATTEMPTS_MAX = len(ATTEMPT_NUMBERS) + 1


def note_of_failed_attempt(of: PhotoVersion, files: Container[PhotoFile]) -> Attempt | Failure:
    """What to write when one more attempt has failed, given the files that a version has.

    >>> from volumes.photo_path import parse_photo_version
    >>> of = parse_photo_version("42/01jd3x8m2c9qp4k7/3fz8qd")
    >>> note_of_failed_attempt(of, []).number
    1
    >>> note_of_failed_attempt(of, [Attempt(of, 1), Attempt(of, 2)])
    Failure(of=PhotoVersion(volume=42, photo='01jd3x8m2c9qp4k7', version='3fz8qd'))
    """
    for number in ATTEMPT_NUMBERS:
        if Attempt(of, number) not in files:
            return Attempt(of, number)
    return Failure(of)
