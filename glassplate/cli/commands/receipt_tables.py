"""Receipts as a person reads them: a table, and URLs that no table may fold."""

from collections.abc import Iterator, Sequence

from rich import filesize
from rich.table import Table

from glassplate.cli.commands.uploading import Uploaded
from storagemaster.wire import Copy, Receipt
from volumes.sizes import DEFAULT_SIZES, ORIGINAL_LETTER, SizeClass

# What a page shows; the largest of them is the one URL of a photo among many.
_WEB_LETTERS = [size.letter for size in DEFAULT_SIZES if size.size_class is SizeClass.WEB]


def receipts_table(uploads: Sequence[Uploaded]) -> Table:
    """One row a photo."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("File", "Reference", "Pixels", "Size", "Sizes", "Durability", "Copies"):
        table.add_column(name, overflow="fold")
    for uploaded in uploads:
        receipt = uploaded.receipt
        table.add_row(
            str(uploaded.path),
            receipt.reference,
            f"{receipt.width} x {receipt.height}",
            filesize.decimal(receipt.bytes),
            uploaded.state,
            receipt.durability,
            describe_copies(receipt.copies),
            style="yellow" if receipt.durability != "mirrored" or uploaded.sizes_error else "",
        )
    return table


def describe_copies(copies: Sequence[Copy]) -> str:
    """Where the copies are: "east-1, west-2 for west-1"."""
    return ", ".join(
        f"{copy.node} for {copy.hint_for}" if copy.hint_for else copy.node for copy in copies
    )


def url_lines(receipts: Sequence[Receipt]) -> Iterator[str]:
    """Every URL of one photo, or one URL each of many."""
    if len(receipts) == 1:
        for letter, url in receipts[0].urls.items():
            yield f"  {letter}  {url}"
        return
    for receipt in receipts:
        shown = [letter for letter in _WEB_LETTERS if letter in receipt.urls]
        letter = shown[-1] if shown else ORIGINAL_LETTER
        yield f"  {letter}  {receipt.urls[letter]}"
