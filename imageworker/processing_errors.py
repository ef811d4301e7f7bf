"""Errors for a photo whose sizes cannot be made.

UnprocessablePhoto
├── PermanentFailure         the same bytes always fail; a retry is pointless
│   ├── UnknownFormat        not a photo, or not of a supported format
│   ├── PhotoTooLarge        the size or the header exceeds a limit
│   ├── TruncatedPhoto       the file ends before its image does
│   ├── BrokenPhoto          the header is valid, but the image data is not
│   ├── MemoryLimitExceeded  needs more memory than one photo may use
│   └── ProcessorTimeExceeded  needs more processor time than one photo may use
└── TransientFailure         a retry can succeed; given up after a few
    ├── TimeLimitExceeded    took too much elapsed time
    └── DecoderCrashed       the decoding process died, or returned a malformed result

A reason is a clause without a capital or a period, because callers embed it in a sentence.
"""

REASON_LENGTH_MAX = 300


class UnprocessablePhoto(Exception):
    """The sizes of this photo cannot be made; `reason` is text for a person."""

    def __init__(self, reason: str) -> None:
        self.reason = printable(reason, length_max=REASON_LENGTH_MAX)
        super().__init__(self.reason)

    @property
    def kind(self) -> str:
        """Name of this error in `.fail` documents and in results of a child."""
        return _NAMES[type(self)]


class PermanentFailure(UnprocessablePhoto):
    """The bytes of the photo are the cause."""


class UnknownFormat(PermanentFailure):
    """Not a photo, or not of a supported format."""


class PhotoTooLarge(PermanentFailure):
    """Too many bytes, pixels or frames."""


class TruncatedPhoto(PermanentFailure):
    """The file ends before its image does."""


class BrokenPhoto(PermanentFailure):
    """The image data or a structure before it cannot be decoded."""


class MemoryLimitExceeded(PermanentFailure):
    """Needs more memory than one photo may use."""


class ProcessorTimeExceeded(PermanentFailure):
    """The sizes need more processor time than the limit of one photo."""


class TransientFailure(UnprocessablePhoto):
    """The cause is either the photo or a machine that is short of memory or time."""


class TimeLimitExceeded(TransientFailure):
    """Took more time than one photo may use."""


class DecoderCrashed(TransientFailure):
    """The decoding process died, or returned a malformed result."""


KINDS: dict[str, type[UnprocessablePhoto]] = {
    "UnknownFormat": UnknownFormat,
    "PhotoTooLarge": PhotoTooLarge,
    "TruncatedPhoto": TruncatedPhoto,
    "BrokenPhoto": BrokenPhoto,
    "MemoryLimitExceeded": MemoryLimitExceeded,
    "ProcessorTimeExceeded": ProcessorTimeExceeded,
    "TimeLimitExceeded": TimeLimitExceeded,
    "DecoderCrashed": DecoderCrashed,
}
"""Every error by its name on disk. The names never change, also if a class is renamed."""

_NAMES = {error_class: name for name, error_class in KINDS.items()}


def printable(text: str, *, length_max: int) -> str:
    """Replace each run of white space and unprintable characters by a space; cut to a length."""
    cleaned = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(cleaned.split())[:length_max].rstrip()
