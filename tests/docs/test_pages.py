"""All pages: config blocks are valid, links lead to headings, import directions are right."""

import re
import textwrap
import tomllib

import pytest

from tests.docs.pages import ROOT, codes, read_page, section, tables
from volumes.config.cluster_config import parse_cluster
from volumes.variant_formats import VariantFormats

PAGES = sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
)
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s:]*)#([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
CLUSTER = """\
public_url = "https://photos.example"
keys_file = "keys.toml"
queue_url = "redis://127.0.0.1:6379/0"

[nodes.east-1]
colo = "east"
read = "10.1.0.10:7101"
write = "10.1.0.10:7201"
store = "/srv/disk1"

[nodes.west-1]
colo = "west"
read = "10.2.0.10:7101"
write = "10.2.0.10:7201"
store = "/srv/disk1"

[masters.east-master]
colo = "east"
address = "10.1.0.10:8090"
internal = "10.1.0.10:8290"

[[volumes]]
numbers = "1-16"
mirrors = ["east-1", "west-1"]

"""


def config_blocks(path):
    """Return the blocks of a page that are parts of `cluster.toml`."""
    found = FENCED.findall(read_page(path))
    return [textwrap.dedent(text) for _, language, text in found if language == "toml"]


def slugs_of(path):
    """Return the anchors of a page's headings, as GitHub makes them."""
    slugs: list[str] = []
    for heading in HEADING.findall(FENCED.sub("", read_page(path))):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        slugs.append(f"{slug}-{slugs.count(slug)}" if slug in slugs else slug)
    return slugs


@pytest.mark.parametrize("path", [path for path in PAGES if config_blocks(path)])
def test_config_blocks_are_accepted(path):
    """Each block is a `cluster.toml`, or a part that a minimal one can have."""
    for text in config_blocks(path):
        parse_cluster(text if "public_url" in text else CLUSTER + text)


def test_the_images_page_shows_the_defaults():
    """The `[images]` block has every setting with its default."""
    (text,) = config_blocks("docs/images.md")
    shown = parse_cluster(CLUSTER + text).variant_formats
    assert shown == VariantFormats()
    assert all(f"\n{name} = " in text for name in VariantFormats.__slots__)


@pytest.mark.parametrize("path", PAGES)
def test_links_lead_to_headings(path):
    """A link with a fragment names a heading of its page."""
    folder = (ROOT / path).parent
    for target, fragment in LINK.findall(read_page(path)):
        page = str((folder / target).resolve().relative_to(ROOT)) if target else path
        assert fragment in slugs_of(page), f"{path} links to {page}#{fragment}"


def test_the_index_lists_every_page():
    """Under its kind: tutorial, how-to, reference, or explanation."""
    index = read_page("docs/README.md")
    pages = [path.removeprefix("docs/") for path in PAGES if path.startswith("docs/")]
    assert [page for page in pages if page != "README.md" and f"({page})" not in index] == []


@pytest.mark.parametrize("path", [each for each in PAGES if each.startswith("docs/")])
def test_a_page_starts_with_who_needs_it_and_what_for(path):
    """In its first sentence, below the title."""
    first = read_page(path).split("\n\n")[1].replace("\n", " ")
    sentence = re.split(r"(?<=[.:]) ", first.replace(": ", " - "), maxsplit=1)[0]
    assert re.match(r"For [a-z]+( [^ ]+){3,}", sentence), sentence


def test_the_import_directions_are_those_of_the_contracts():
    """Each contract about the rooms of a package is a row in ARCHITECTURE.md."""
    page = read_page("ARCHITECTURE.md")
    (rooms,) = tables(section(page, "## Import directions"))
    stated = {
        row["package"]: [codes(layer) for layer in row["rooms, from the top"].split(" > ")]
        for row in rooms
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for contract in project["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers" and "containers" in contract:
            (package,) = contract["containers"]
            layers = [layer.split(" | ") for layer in contract["layers"]]
            assert stated[package] == layers
