"""Receipts as a table, and URLs on lines of their own."""

from collections.abc import Iterator, Mapping, Sequence

from rich import filesize
from rich.cells import cell_len
from rich.table import Table

from glassplate.cli.commands.uploading import Uploaded
from glassplate.cli.views.output import escape_unprintable, new_table, shorten_middle
from storagemaster.wire import Copy
from volumes.sizes import DEFAULT_SIZES, ORIGINAL_LETTER, SizeClass

_HEADINGS = ("File", "Reference", "Pixels", "Size", "Sizes", "Durability", "Copies")
_NARROW_HEADINGS = ("File", "Reference", "Sizes", "Durability", "Copies")
_WIDE_COLUMNS_MIN = 120
_NAME_COLUMNS_MIN = 8
_GAP_COLUMNS = 2

# Of several photos, each has one URL: that of its largest web size.
_WEB_LETTERS = [size.letter for size in DEFAULT_SIZES if size.size_class is SizeClass.WEB]


def receipts_table(uploads: Sequence[Uploaded], columns_max: int) -> Table:
    """Return a table with one row per photo, which folds no cell.

    A narrow terminal has neither pixels nor sizes in bytes. The middle of a long name is left out.
    """
    rows = [_cells(uploaded) for uploaded in uploads]
    headings = _HEADINGS if columns_max >= _WIDE_COLUMNS_MIN else _NARROW_HEADINGS
    table = new_table(*headings)
    for column in table.columns:
        column.no_wrap = True
    used = sum(max(map(cell_len, (name, *(row[name] for row in rows)))) for name in headings[1:])
    name_columns = max(columns_max - used - _GAP_COLUMNS * (len(headings) - 1), _NAME_COLUMNS_MIN)
    for uploaded, row in zip(uploads, rows, strict=True):
        is_well = uploaded.receipt.durability == "mirrored" and not uploaded.sizes_error
        table.add_row(
            shorten_middle(row["File"], name_columns),
            *(row[name] for name in headings[1:]),
            style="" if is_well else "yellow",
        )
    return table


def _cells(uploaded: Uploaded) -> dict[str, str]:
    receipt = uploaded.receipt
    return {
        "File": escape_unprintable(uploaded.path),
        "Reference": receipt.reference,
        "Pixels": f"{receipt.width} x {receipt.height}",
        "Size": filesize.decimal(receipt.bytes),
        "Sizes": uploaded.state,
        "Durability": receipt.durability,
        "Copies": _describe_copies(receipt.copies),
    }


def url_lines(uploads: Sequence[Uploaded]) -> Iterator[str]:
    """Yield every URL of a single photo, or the name and one URL of each of several.

    A photo whose sizes cannot be made has only the URL of its original.
    """
    if len(uploads) == 1:
        for letter, url in _usable_urls(uploads[0]).items():
            yield f"  {letter}  {url}"
        return
    for uploaded in uploads:
        urls = _usable_urls(uploaded)
        shown = [letter for letter in _WEB_LETTERS if letter in urls]
        letter = shown[-1] if shown else ORIGINAL_LETTER
        yield f"  {escape_unprintable(uploaded.path)}"
        yield f"  {letter}  {urls[letter]}"


def _usable_urls(uploaded: Uploaded) -> Mapping[str, str]:
    """Return the URLs by size that open now, or once the sizes are made."""
    urls = uploaded.receipt.urls
    if uploaded.state == "failed":
        return {ORIGINAL_LETTER: urls[ORIGINAL_LETTER]}
    return urls


def _describe_copies(copies: Sequence[Copy]) -> str:
    """Return the nodes of the copies, such as "east-1, west-2 for west-1"."""
    return ", ".join(
        f"{copy.node} for {copy.hint_for}" if copy.hint_for else copy.node for copy in copies
    )
