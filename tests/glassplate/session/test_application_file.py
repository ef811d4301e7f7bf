"""The application file: TOML or JSON, complete, and secret."""

import dataclasses
import json

import pytest

from glassplate import BadConfig
from glassplate.session.application_file import (
    ApplicationFile,
    document_of,
    load_application,
    parse_application,
    render_application,
)
from permission_urls import DerivedKey
from volumes.sizes import DEFAULT_SIZES

FILE = ApplicationFile(
    application="shop",
    masters=("http://10.1.0.10:8090", "http://10.2.0.10:8090"),
    uploads=("https://upload.example",),
    edges=("https://photos.example",),
    token="gp2.a.e30.MAC",
    read_key=DerivedKey("a", bytes(range(32))),
    ticket_key=DerivedKey("b", bytes(range(1, 33))),
    webhook_keys={"a": bytes(range(2, 34)), "b": bytes(range(3, 35))},
    sizes=DEFAULT_SIZES,
)


RESTRICTED = dataclasses.replace(FILE, read_key=DerivedKey("a-w168", bytes(range(24))))


@pytest.mark.parametrize("file", [FILE, RESTRICTED, dataclasses.replace(FILE, read_key=None)])
def test_a_file_is_read_back_from_toml_and_json(file):
    """Both spellings have the same values."""
    assert parse_application(render_application(file)) == file
    assert parse_application(json.dumps(document_of(file))) == file


def test_other_languages_find_the_class_of_a_size():
    """A signer needs it, and the document has it for every size."""
    classes = {each["letter"]: each["class"] for each in document_of(FILE)["sizes"]}
    assert (classes["m"], classes["k"]) == ("web", "large")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'application' is missing"),
        ("{}", "'application' is missing"),
        ("= 1", "Invalid"),
        (render_application(FILE).replace('token = "', 'tokens = "'), "'token' is missing"),
        (render_application(FILE).replace("0001", "000G"), "lower-case hex"),
        (render_application(RESTRICTED).replace("a-w168", "a-lw"), "one to four of a-z"),
        (render_application(RESTRICTED).replace("a-w168", "a"), "lower-case hex"),
        (render_application(FILE).replace("masters = [", "masters = 7 # ["), "another type"),
    ],
)
def test_a_text_that_is_not_an_application_file_is_refused(tmp_path, text, why):
    """The error names the path and the reason."""
    path = tmp_path / "shop.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadConfig, match=rf"shop\.toml is not an application file: .*{why}"):
        load_application(path)


def test_a_file_that_others_can_read_is_refused(tmp_path):
    """The error has the command that corrects it."""
    path = tmp_path / "shop.toml"
    path.write_text(render_application(FILE))
    path.chmod(0o640)
    with pytest.raises(BadConfig, match=r"chmod 600 .*shop\.toml"):
        load_application(path)
    with pytest.raises(BadConfig, match="cannot read"):
        load_application(tmp_path / "missing.toml")
