"""`cluster.toml`: what it says of nodes over buckets."""

import pytest

from tests.volumes.test_cluster_config import SMALLEST, problems_of
from volumes.bucket_location import BucketLocation, parse_location
from volumes.cluster_config import parse_cluster


def test_a_node_over_a_bucket_says_where_it_is():
    """Its server, region and copies; and nothing that is secret."""
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
def test_a_bucket_that_is_none_is_refused(line, problem):
    """A key in an URL would be a secret in a config that many read."""
    (found,) = problems_of(SMALLEST.replace('store = "s3://photos/west-1"', line))
    assert found.startswith(problem)
