"""Lines of a TOML text by key, for messages about its values: the TOML parser reports none."""

import re
from collections import Counter

_HEADER = re.compile(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?")
_ASSIGNMENT = re.compile(r"""\s*([\w."'-]+)\s*=""")
_LAST_PART = re.compile(r"(?:\.[^.\[]+|\[[0-9]+\])$")


def line_of(text: str, key: str) -> int | None:
    r"""Return the line of a key, or else of the innermost table around it that has one.

    >>> line_of('name = "x"\n[[volumes]]\nnumbers = "7"', "volumes[0].numbers")
    3
    """
    lines = _lines_by_key(text)
    while key not in lines and _LAST_PART.search(key):
        key = _LAST_PART.sub("", key)
    return lines.get(key)


def _lines_by_key(text: str) -> dict[str, int]:
    lines: dict[str, int] = {}
    tables: Counter[str] = Counter()
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            table = _plain(header[2])
            if header[1] == "[[":
                tables[table] += 1
                lines.setdefault(table, number)
                table = f"{table}[{tables[table] - 1}]"
            lines[table] = number
        elif assignment := _ASSIGNMENT.match(line):
            name = _plain(assignment[1])
            lines.setdefault(f"{table}.{name}" if table else name, number)
    return lines


def _plain(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))
