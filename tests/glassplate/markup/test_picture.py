"""Markup of photos: valid HTML with the right URLs, widths, and formats, and nothing unescaped."""

import json
import re
from dataclasses import asdict, replace
from datetime import timedelta
from html.parser import HTMLParser

import jinja2
import pytest

from glassplate import Client, Html, Info, NoKeys, PhotoStatus, UsageError, blocking
from imageworker.make_sizes import make_sizes
from imageworker.recipe import DEFAULT_RECIPE
from permission_urls import (
    DerivedKey,
    Keys,
    Purpose,
    Verifier,
    derived_keys,
    restricted_key,
    restriction_of,
)
from permission_urls.keys import Key, KeyRing, KeyState
from tests.imageworker.photo_zoo import good
from volumes.sizes import DEFAULT_SIZES, size_classes

KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32)), state=KeyState.SIGNING),))
REFERENCE = "3/01jd3x8m2c9qp4k7/3fz8qd"
EDGE = "https://photos.example"


def variant(size, ext, width, height):
    """Return a variant of an info document."""
    return {"size": size, "ext": ext, "width": width, "height": height}


DOCUMENT = {
    "original": {"width": 3000, "height": 4000, "stored_width": 4000, "stored_height": 3000},
    "variants": [
        variant("s", "jpg", 75, 75),
        variant("m", "jpg", 180, 240),
        variant("m", "webp", 180, 240),
        variant("z", "jpg", 480, 640),
        variant("z", "webp", 480, 640),
        variant("h", "jpg", 1200, 1600),
        variant("h", "webp", 1200, 1600),
    ],
    "second_pass": [variant("m", "avif", 180, 240), variant("z", "avif", 480, 640)],
    "placeholder": {"color": "#102030", "blurhash": "L0", "thumbhash": "AA=="},
    "a field of a later version": 1,
}
URLS = {each: f"{EDGE}/3/k7/01jd3x8m2c9qp4k7_3fz8qd_{each}_MAC.jpg" for each in "smzh"}
STATUS = PhotoStatus(
    volume=3,
    photo="01jd3x8m2c9qp4k7",
    version="3fz8qd",
    state="ready",
    info=DOCUMENT,
    urls=URLS,
)


class Elements(HTMLParser):
    """The elements of a document, and the tags that are open."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note an element and its attributes."""
        assert len(dict(attrs)) == len(attrs)
        self.found.append((tag, dict(attrs)))
        if tag not in {"img", "source"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close an element."""
        assert self.open.pop() == tag


def elements(text):
    """Return the elements of a whole document, in order."""
    parsed = Elements(text)
    assert parsed.open == []
    return parsed.found


def offers(srcset):
    """Return the size letters of a srcset by width."""
    parts = [part.split() for part in srcset.split(", ")]
    return {width: url.rsplit("_", 2)[1] for url, width in parts}


@pytest.fixture(name="signer")
def _signer():
    """Return a client that signs, and that has no network: it is never opened."""
    return Client("http://127.0.0.1:1", keys=KEYS, edges=[EDGE])


@pytest.fixture(name="reader")
def _reader():
    """Return a client without keys."""
    return Client("http://127.0.0.1:1", token="gp2.a.e30.x")


def test_picture_has_every_format_and_the_image_all_attributes(reader):
    """WebP comes before JPEG; squares, which show another picture, are not offered."""
    tags = elements(reader.picture(STATUS, alt="A cat", sizes="50vw", extra={"class": "photo"}))
    assert [tag for tag, _ in tags] == ["picture", "source", "img"]
    source, image = tags[1][1], tags[2][1]
    assert source["type"] == "image/webp"
    assert source["sizes"] == image["sizes"] == "50vw"
    assert offers(source["srcset"]) == offers(image["srcset"])
    assert offers(image["srcset"]) == {"180w": "m", "480w": "z", "1200w": "h"}
    assert image["src"] == URLS["z"]
    assert (image["width"], image["height"]) == ("480", "640")
    assert (image["loading"], image["alt"], image["class"]) == ("lazy", "A cat", "photo")
    assert source["srcset"].count(".webp") == 3
    assert ".jpg" not in source["srcset"]


def test_a_format_without_the_widest_size_is_not_offered(reader):
    """A browser would take it, and show a wide picture from a narrow one."""
    wide = elements(reader.picture(STATUS, alt="", second_pass=True))
    assert [each.get("type") for tag, each in wide if tag == "source"] == ["image/webp"]
    narrow = elements(reader.picture(STATUS, alt="", second_pass=True, width_max=500))
    types = [each.get("type") for tag, each in narrow if tag == "source"]
    assert types == ["image/avif", "image/webp"]
    assert offers(narrow[1][1]["srcset"]) == {"180w": "m", "480w": "z"}


def test_variants_that_may_not_be_made_yet_are_offered_only_on_request(reader):
    """A browser shows nothing after a 404."""
    assert ".avif" not in reader.picture(STATUS, alt="", width_max=500)


def test_srcset_gives_attributes_of_an_image(reader):
    """The application writes the element and its alt."""
    ((tag, image),) = elements(f'<img {reader.srcset(STATUS, sizes="10em")} alt="">')
    assert (tag, image["sizes"], offers(image["srcset"])["1200w"]) == ("img", "10em", "h")


def test_urls_are_signed_without_a_network_and_end(signer):
    """Every offered URL opens its size, in its own format, until its end."""
    text = signer.picture(REFERENCE, DOCUMENT, alt="", expires=timedelta(hours=1))
    verifier = Verifier(KEYS, size_classes(DEFAULT_SIZES))
    urls = [
        part.split()[0]
        for _, each in elements(text)
        for part in each.get("srcset", "").split(", ")
        if part
    ]
    assert len(urls) == 6
    for url in urls:
        assert verifier.verify(url.removeprefix(EDGE), 1)
        with pytest.raises(Exception, match="expired"):
            verifier.verify(url.removeprefix(EDGE), 2**33)


def test_everything_is_escaped(reader):
    """No value leaves its attribute."""
    text = reader.picture(
        STATUS, alt='"><script>alert(1)</script>', sizes='"x', extra={"title": "a & 'b'"}
    )
    assert "<script" not in text
    image = elements(text)[-1][1]
    assert image["alt"] == '"><script>alert(1)</script>'
    assert (image["sizes"], image["title"]) == ('"x', "a & 'b'")


def test_spaces_and_commas_of_an_address_do_not_split_a_srcset(reader):
    """Both separate the parts of a srcset."""
    urls = {letter: url.replace("/3/", "/a b,c/") for letter, url in URLS.items()}
    status = replace(STATUS, urls=urls)
    assert "/a%20b%2Cc/" in reader.srcset(status)
    assert len(offers(elements(f"<img {reader.srcset(status)}>")[0][1]["srcset"])) == 3


def test_jinja_takes_the_markup_as_safe_and_escapes_what_is_added(reader):
    """Autoescape leaves the markup, and escapes a sum of markup and text."""
    template = jinja2.Environment(autoescape=True).from_string("{{ picture }}|{{ added }}")
    markup = reader.picture(STATUS, alt="A & B")
    shown, added = template.render(picture=markup, added=markup + "<b>").split("|")
    assert shown == markup
    assert "<" not in added
    assert isinstance(markup, Html)


def test_alt_is_required(reader):
    """A picture without a description is a mistake, not a default."""
    with pytest.raises(TypeError, match="alt"):
        reader.picture(STATUS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loading": "soon"}, "lazy or eager"),
        ({"extra": {"src": "x"}}, "extra attribute"),
        ({"extra": {"a b": "x"}}, "extra attribute"),
        ({"width_max": 10}, "no size to show"),
    ],
)
def test_bad_choices_are_refused(reader, changes, message):
    """The error says what is wrong."""
    with pytest.raises(UsageError, match=message):
        reader.picture(STATUS, alt="", **changes)


def test_a_photo_without_an_info_is_refused(reader, signer):
    """The error says the state of the photo."""
    pending = PhotoStatus(volume=3, photo="p", version="v", state="pending", urls={})
    with pytest.raises(UsageError, match="it is pending"):
        reader.picture(pending, alt="")
    with pytest.raises(UsageError, match="no info"):
        signer.srcset(REFERENCE)
    with pytest.raises(NoKeys):
        reader.srcset(REFERENCE, DOCUMENT)


def test_info_is_typed():
    """Fields have names and types; unknown ones are ignored."""
    info = Info.parse(DOCUMENT)
    assert (info.original.width, info.original.stored_width) == (3000, 4000)
    assert info.placeholder.color == "#102030"
    assert [each.ext for each in info.second_pass] == ["avif", "avif"]


@pytest.mark.parametrize("document", ["", "[]", "{}", b"\xff", {"original": 3}, None])
def test_what_is_no_info_is_refused(document):
    """The error says to pass the info of a ready photo."""
    with pytest.raises(UsageError, match="not an info document"):
        Info.parse(document)


def test_info_of_a_made_photo_has_every_field():
    """Every field of the image worker's document is in `Info`, except for the libraries."""
    document = make_sizes(good("JPEG").data, recipe=DEFAULT_RECIPE).info
    found = asdict(Info.parse(document))
    expected = json.loads(document)
    del expected["libraries"]
    assert json.loads(json.dumps(found)) == expected


def test_both_clients_give_the_same_markup(signer):
    """The blocking client has the same helpers."""
    client = blocking.Client("http://127.0.0.1:1", keys=KEYS, edges=[EDGE])
    assert client.picture(REFERENCE, DOCUMENT, alt="x") == signer.picture(
        REFERENCE, DOCUMENT, alt="x"
    )
    assert client.srcset(STATUS) == signer.srcset(STATUS)


def test_sizes_that_a_restricted_key_may_not_sign_are_left_out():
    """A page of an application with a key for small sizes shows those."""
    key = restricted_key(
        DerivedKey("a", derived_keys(KEYS, Purpose.READ)["a"]), restriction_of(["web"], 24)
    )
    restricted = Key(key_id=key.key_id, secret=key.secret, state=KeyState.SIGNING)
    keys = Keys({Purpose.READ: KeyRing(keys=(restricted,))})
    client = Client("http://127.0.0.1:1", signing_key=keys, edges=[EDGE])
    ((_, image),) = elements(
        f"<img {client.srcset(REFERENCE, DOCUMENT, expires=timedelta(hours=1))}>"
    )
    assert re.findall(r"_(.)\.a-w24\.", image["srcset"]) == ["m", "z"]
