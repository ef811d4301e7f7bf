"""Tables `[applications.NAME]` of `cluster.toml`: values, and mistakes with their lines."""

import pytest

from tests.volumes.config.test_cluster_config import SMALLEST, problems_of
from volumes.cluster import Application
from volumes.config.cluster_config import parse_cluster
from volumes.config.cluster_file import load_cluster
from volumes.config.config_reader import InvalidConfig

SHOP = """
[applications.shop]
volumes = "12,1-8"
upload_bytes_max = 20_000_000
formats = ["jpg", "heic"]
origins = ["https://shop.example", "http://localhost:3000"]
webhook_urls = ["https://shop.example/photo-events"]
uploads_per_minute = 120
"""


def test_every_key_sets_a_field_of_the_application():
    """An application has volumes, sizes, formats, origins, receivers, and a rate."""
    assert parse_cluster(SMALLEST + SHOP).applications == {
        "shop": Application(
            name="shop",
            volumes=((1, 8), (12, 12)),
            upload_bytes_max=20_000_000,
            formats=("jpg", "heic"),
            origins=("https://shop.example", "http://localhost:3000"),
            webhook_urls=("https://shop.example/photo-events",),
            uploads_per_minute=120,
        )
    }


def test_an_empty_table_restricts_nothing():
    """Every key is optional."""
    cluster = parse_cluster(f"{SMALLEST}\n[applications.shop]\n")
    assert cluster.applications == {"shop": Application(name="shop")}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('volumes = "8-1"', 'must be as in "7" or "1-8,12"'),
        ('volumes = ""', 'must be as in "7" or "1-8,12"'),
        ("volumes = [1]", "must be a string"),
        ('volumes = "1-8,17"', "volume 17 is not in [[volumes]]"),
        ("upload_bytes_max = 0", "must be at least 1, is 0"),
        ("uploads_per_minute = -1", "must be at least 1, is -1"),
        ('formats = ["jpeg"]', "must be some of jpg, png, gif, webp, avif, heic, tif"),
        ("formats = []", "must be some of jpg"),
        ('origins = ["*"]', "must be as browsers send it"),
        ('origins = ["https://shop.example/"]', "must be as browsers send it"),
        ('origins = ["https://Shop.example"]', "must be as browsers send it"),
        ('origins = ["https://shop.example:443"]', "must be as browsers send it"),
        ('webhook_urls = ["http://shop.example"]', "must be https, or http on this machine"),
        ('volume = "1-8"', "unknown key; known keys: formats, origins, upload_bytes_max"),
    ],
)
def test_a_mistake_names_its_key_and_its_line(tmp_path, line, problem):
    """A cluster with a mistake in an application is refused with the place of the mistake."""
    text = f"{SMALLEST}\n[applications.shop]\n{line}\n"
    path = tmp_path / "cluster.toml"
    path.write_text(text)
    with pytest.raises(InvalidConfig) as caught:
        load_cluster(path)
    (found,) = caught.value.problems
    assert found.key == f"applications.shop.{line.partition(' ')[0]}"
    assert found.line == text.splitlines().index(line) + 1
    assert found.message.startswith(problem)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("default", "is every token without an application"),
        ("Shop", "must be a-z, 0-9, and dashes"),
    ],
)
def test_an_application_needs_a_name_that_tokens_can_have(name, problem):
    """Tokens without an application cannot be restricted by a table."""
    (found,) = problems_of(f"{SMALLEST}\n[applications.{name}]\n")
    assert found.startswith(f"applications.{name}: {problem}")
