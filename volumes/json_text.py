"""Parsing of JSON and numbers that other machines sent. Every failure is a `ValueError`."""

import json
import re
from typing import Any

# Python refuses to parse more than 4,300 digits, and no number here needs more than these.
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: The text is not JSON, or is nested too deeply to be parsed.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def parse_whole_number(text: str) -> int:
    """Return the value of 1 to 18 decimal digits.

    >>> parse_whole_number("0042")
    42

    Raises:
        ValueError: The text is anything else.
    """
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError("must be a whole number of at most 18 digits")
    return int(text)
