"""Receipts as a table, and URLs on lines of their own."""

from collections.abc import Iterator, Mapping, Sequence

from rich import filesize
from rich.table import Table

from glassplate.cli.commands.uploading import Uploaded
from glassplate.cli.views.output import escape_unprintable, new_table
from storagemaster.wire import Copy
from volumes.sizes import DEFAULT_SIZES, ORIGINAL_LETTER, SizeClass

# Of several photos, each has one URL: that of its largest web size.
_WEB_LETTERS = [size.letter for size in DEFAULT_SIZES if size.size_class is SizeClass.WEB]


def receipts_table(uploads: Sequence[Uploaded]) -> Table:
    """Return a table with one row per photo."""
    table = new_table("File", "Reference", "Pixels", "Size", "Sizes", "Durability", "Copies")
    for uploaded in uploads:
        receipt = uploaded.receipt
        table.add_row(
            escape_unprintable(uploaded.path),
            receipt.reference,
            f"{receipt.width} x {receipt.height}",
            filesize.decimal(receipt.bytes),
            uploaded.state,
            receipt.durability,
            _describe_copies(receipt.copies),
            style="yellow" if receipt.durability != "mirrored" or uploaded.sizes_error else "",
        )
    return table


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
