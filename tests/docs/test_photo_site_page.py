"""docs/photo-site.md: its code is the code of examples/gallery."""

import textwrap

from tests.docs.pages import ROOT, blocks, read_page

PAGE = read_page("docs/photo-site.md")


def test_every_example_is_code_of_the_gallery():
    """A change of the gallery changes the page."""
    sources = [path.read_text() for path in (ROOT / "examples" / "gallery").glob("*.py")]
    shown = blocks(PAGE, "python")
    assert len(shown) == 5
    for block in shown:
        assert any(is_part(block, source) for source in sources), block


def is_part(block, source):
    """Return True if a source has the lines of a block, at any indentation."""
    return any(textwrap.indent(block, " " * width) in f"{source}\n" for width in (0, 4, 8, 12))
