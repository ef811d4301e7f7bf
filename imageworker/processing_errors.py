"""Why sizes cannot be made of a photo, as one family of errors whose words a person understands.

UnprocessablePhoto
├── PermanentFailure               the same bytes fail the same way: trying again is no use
│   ├── UnknownFormat        not a photo, or not of a format on the list
│   ├── PhotoTooLarge        over a limit that its bytes or its header already show
│   ├── TruncatedPhoto       the file ends before its image does
│   ├── BrokenPhoto          the header is sound, what is behind it is not
│   └── MemoryLimitExceeded           needs more memory than one photo may have
└── TransientFailure             may pass another time, and is given up after a few
    ├── TimeLimitExceeded             took too long, of the processor or of the clock
    └── DecoderCrashed       the process that decoded it died, or said nothing that can be read

A reason is a clause without a capital or a period, so that it can stand in a sentence.
"""

REASON_LENGTH_MAX = 300


class UnprocessablePhoto(Exception):
    """Sizes cannot be made of this photo; `reason` says why, in words for a person."""

    def __init__(self, reason: str) -> None:
        self.reason = printable(reason, length_max=REASON_LENGTH_MAX)
        super().__init__(self.reason)


class PermanentFailure(UnprocessablePhoto):
    """The photo's own fault."""


class UnknownFormat(PermanentFailure):
    """Not a photo, or not of a format on the list."""


class PhotoTooLarge(PermanentFailure):
    """Too many bytes, pixels or frames."""


class TruncatedPhoto(PermanentFailure):
    """The file ends before its image does."""


class BrokenPhoto(PermanentFailure):
    """The image data, or something on the way to it, cannot be decoded."""


class MemoryLimitExceeded(PermanentFailure):
    """Needs more memory than one photo may have."""


class TransientFailure(UnprocessablePhoto):
    """Perhaps the photo's fault, perhaps that of a machine short of memory or time."""


class TimeLimitExceeded(TransientFailure):
    """Took longer than one photo may."""


class DecoderCrashed(TransientFailure):
    """The process that decoded it died, or gave an answer that cannot be read."""


KINDS: dict[str, type[UnprocessablePhoto]] = {
    kind.__name__: kind
    for kind in (
        UnknownFormat,
        PhotoTooLarge,
        TruncatedPhoto,
        BrokenPhoto,
        MemoryLimitExceeded,
        TimeLimitExceeded,
        DecoderCrashed,
    )
}
"""Every kind by its name, for answers that travel between processes."""


def printable(text: str, *, length_max: int) -> str:
    """The text with runs of anything that cannot be printed made one space, cut to a length."""
    cleaned = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(cleaned.split())[:length_max].rstrip()
