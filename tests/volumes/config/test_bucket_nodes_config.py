"""Bucket nodes in `cluster.toml`."""

import pytest

from tests.volumes.config.test_cluster_config import SMALLEST, problems_of
from volumes.bucket_location import BucketLocation, parse_location
from volumes.config.cluster_config import parse_cluster


def test_a_bucket_node_has_its_location():
    """A bucket node has a server, a region, and replicas, but no secret."""
    bucket = 'store = "s3://photos/west-1"\nendpoint = "https://s3.example:8333/"\nregion = "r"\n'
    text = SMALLEST.replace('store = "s3://photos/west-1"', bucket + "bucket_replicas = 3")
    node = parse_cluster(text).nodes["west-1"]
    assert (node.endpoint, node.region, node.bucket_replicas) == ("https://s3.example:8333", "r", 3)
    assert node.bucket == BucketLocation("photos", "west-1")
    assert parse_location(str(node.bucket)) == node.bucket
    assert parse_cluster(SMALLEST).nodes["east-1"].bucket is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('store = "s3://"', "nodes.west-1.store: must be as in"),
        ('store = "s3://Photos/x"', "nodes.west-1.store: must be as in"),
        ('store = "s3://photos/../x"', "nodes.west-1.store: must be as in"),
        ('store = "s3://photos"\nendpoint = "s3.example"', "nodes.west-1.endpoint: must be as in"),
        ('store = "s3://photos"\nendpoint = "http://k:s@x"', "nodes.west-1.endpoint: must be as"),
        (
            'store = "s3://photos"\nbucket_replicas = 0',
            "nodes.west-1.bucket_replicas: must be at least 1, is 0",
        ),
        ('store = "west-1"\nendpoint = "http://x"', "nodes.west-1.endpoint: unknown key"),
    ],
)
def test_an_invalid_bucket_is_rejected(line, problem):
    """An invalid bucket location is rejected; a URL with a key would reveal a secret."""
    (found,) = problems_of(SMALLEST.replace('store = "s3://photos/west-1"', line))
    assert found.startswith(problem)
