"""The store over a bucket keeps what every store promises, on two S3 servers.

A third time on a server that has no conditional puts, where the store looks before it writes.
"""

import pytest

from tests.storagenode.bucket.bucket_under_test import BucketStoreUnderTest
from tests.storagenode.store_contract import WritingContract
from tests.storagenode.store_keeping_contract import KeepingContract


class TestOnMoto(WritingContract, KeepingContract):
    """All of the contract, on moto's server."""

    @pytest.fixture(name="trial")
    def _trial(self, moto, clock):
        trial = BucketStoreUnderTest(moto, clock)
        yield trial
        trial.close()


class TestWithoutConditionalPuts(WritingContract):
    """The half that writes, where the server takes every put."""

    @pytest.fixture(name="trial")
    def _trial(self, moto, clock):
        trial = BucketStoreUnderTest(moto, clock, has_conditional_puts=False)
        yield trial
        trial.close()


class TestOnSeaweedFS(WritingContract, KeepingContract):
    """All of the contract, on SeaweedFS's gateway."""

    @pytest.fixture(name="trial")
    def _trial(self, seaweed, clock):
        trial = BucketStoreUnderTest(seaweed, clock)
        yield trial
        trial.close()
