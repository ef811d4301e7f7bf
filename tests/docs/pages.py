"""Pages of the documentation, read as tables and code blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read_page(path: str) -> str:
    """Return the text of a page, by its path from the project's root."""
    return (ROOT / path).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """Return what a heading of the second or third level has below it, up to the next one."""
    _, found, rest = page.partition(f"\n{heading}\n")
    assert found, f"the page has no heading {heading!r}"
    return re.split(r"^#{2,3} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(page: str, language: str = "") -> list[str]:
    """Return the code blocks of a language, or those without one, in order."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [text for found, text in fences if found == language]


def tables(page: str) -> list[list[dict[str, str]]]:
    """Return each table as its rows, each row by the names of the columns; code is unquoted."""
    found = re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)
    return [_rows(text.splitlines()) for text in found]


def table(page: str, heading: str) -> list[dict[str, str]]:
    """Return the only table below a heading."""
    (rows,) = tables(section(page, heading))
    return rows


def codes(cell: str) -> list[str]:
    """Return every code span of a cell that has more than one."""
    return re.findall(r"`([^`]+)`", cell)


def _rows(lines: list[str]) -> list[dict[str, str]]:
    head, _, *body = (_cells(line) for line in lines)
    return [dict(zip(head, cells, strict=True)) for cells in body]


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip()[1:-1])
    texts = (cell.strip().replace("\\|", "|") for cell in cells)
    return [text[1:-1] if re.fullmatch("`[^`]*`", text) else text for text in texts]
