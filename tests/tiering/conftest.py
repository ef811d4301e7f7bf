"""A cluster with a cold node, and a new photo for each test."""

import itertools
import os

import pytest

from drill.cluster.faulty_s3_proxy import running_faulty_s3_proxy
from permission_urls import Purpose, derived_keys
from storagemaster.mirrors import fleet
from storagemaster.tiering import tiering
from storagenode.upkeep import upkeep
from tests.edge_servers import running_nginx
from tests.s3_servers import CREDENTIALS, make_bucket, moto_server, seaweedfs
from tests.tiering_cluster import EDGE, KEYS, cold_cluster


@pytest.fixture(name="s3", scope="module", params=["moto", "seaweed"])
def _s3(request, tmp_path_factory):
    """Return the moto server, then a SeaweedFS gateway, each behind a proxy that can fail."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        server = (
            moto_server(CREDENTIALS)
            if request.param == "moto"
            else seaweedfs(tmp_path_factory.mktemp("seaweed"), CREDENTIALS)
        )
        with server as url, running_faulty_s3_proxy(url) as proxy:
            make_bucket(url, "photos")
            yield proxy


@pytest.fixture(name="cluster", scope="module")
def _cluster(s3, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep, "BETWEEN_PASSES_SECONDS", 86_400.0)
        patch.setattr(tiering, "POLL_SECONDS", 0.0)
        patch.setattr(fleet, "RESPONSE_SECONDS", 10.0)
        folder = tmp_path_factory.mktemp("cold")
        with cold_cluster(folder, s3.url, f"cold-{os.getpid()}") as cluster:
            yield cluster


@pytest.fixture(name="edge", scope="module")
def _edge(cluster):
    """Return the cluster's nginx, with its cache."""
    keys = {id_: key.hex() for id_, key in derived_keys(KEYS, Purpose.READ).items()}
    with running_nginx(cluster.config, EDGE, keys, purge_networks=("127.0.0.1",)) as edge:
        yield edge


_numbers = itertools.count()


@pytest.fixture(name="photo_version")
def _of(cluster):
    """Return a photo on both disks of a recalled volume."""
    cluster.recall()
    photo_version = cluster.put_photo(next(_numbers))
    yield photo_version
    cluster.delete_all()
