"""Counts with their nouns, for messages to people."""


def quantity(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun.

    >>> quantity(1, "file"), quantity(0, "file"), quantity(2, "entry is", "entries are")
    ('1 file', '0 files', '2 entries are')
    """
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"
