"""Receipts as a table, and URLs on lines of their own."""

from collections.abc import Iterator, Sequence

from rich import filesize
from rich.table import Table

from glassplate.cli.commands.uploading import Uploaded
from glassplate.cli.views.output import new_table
from storagemaster.wire import Copy, Receipt
from volumes.sizes import DEFAULT_SIZES, ORIGINAL_LETTER, SizeClass

# Of several photos, each has one URL: that of its largest web size.
_WEB_LETTERS = [size.letter for size in DEFAULT_SIZES if size.size_class is SizeClass.WEB]


def receipts_table(uploads: Sequence[Uploaded]) -> Table:
    """Return a table with one row per photo."""
    table = new_table("File", "Reference", "Pixels", "Size", "Sizes", "Durability", "Copies")
    for uploaded in uploads:
        receipt = uploaded.receipt
        table.add_row(
            str(uploaded.path),
            receipt.reference,
            f"{receipt.width} x {receipt.height}",
            filesize.decimal(receipt.bytes),
            uploaded.state,
            receipt.durability,
            _describe_copies(receipt.copies),
            style="yellow" if receipt.durability != "mirrored" or uploaded.sizes_error else "",
        )
    return table


def url_lines(receipts: Sequence[Receipt]) -> Iterator[str]:
    """Yield every URL of a single photo, or one URL of each of several."""
    if len(receipts) == 1:
        for letter, url in receipts[0].urls.items():
            yield f"  {letter}  {url}"
        return
    for receipt in receipts:
        shown = [letter for letter in _WEB_LETTERS if letter in receipt.urls]
        letter = shown[-1] if shown else ORIGINAL_LETTER
        yield f"  {letter}  {receipt.urls[letter]}"


def _describe_copies(copies: Sequence[Copy]) -> str:
    """Return the nodes of the copies, such as "east-1, west-2 for west-1"."""
    return ", ".join(
        f"{copy.node} for {copy.hint_for}" if copy.hint_for else copy.node for copy in copies
    )
