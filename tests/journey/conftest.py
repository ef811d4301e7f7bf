"""Shared fixtures: one cluster for all journey tests, and a photo that is never changed."""

import json
from io import BytesIO

import pytest
from PIL import Image

from tests.journey.running_cluster import start_cluster, stop_cluster


@pytest.fixture(name="cluster", scope="session")
def _cluster(tmp_path_factory):
    cluster = start_cluster(tmp_path_factory.mktemp("cluster") / "data")
    yield cluster
    stop_cluster(cluster)


@pytest.fixture(name="jpeg", scope="session")
def _jpeg():
    """Return a factory of JPEGs whose pixels depend on the seed."""

    def make(seed, *, width=1300, height=900):
        noise = Image.effect_noise((width // 10, height // 10), 40 + seed % 50).convert("RGB")
        picture = noise.resize((width, height))
        picture.putpixel((0, 0), (seed % 256, seed // 256 % 256, 7))
        out = BytesIO()
        picture.save(out, "JPEG", quality=80, comment=f"seed {seed}".encode())
        return out.getvalue()

    return make


@pytest.fixture(name="shared_photo", scope="session")
def _shared_photo(cluster, jpeg):
    """Return the bytes and the receipt of a ready photo that no test changes."""
    data = jpeg(1)
    with cluster.client() as client:
        receipt = client.put(data)
        status = client.wait_until_ready(receipt.reference, timeout_seconds=60)
    assert status.state == "ready", json.dumps(status.info)
    return data, receipt, status
