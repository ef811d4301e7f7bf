"""The store contract on a bucket of two S3 servers.

It also runs on a server without conditional puts, where the store looks before it writes.
"""

import pytest

from tests.storagenode.bucket.bucket_under_test import BucketStoreUnderTest
from tests.storagenode.store_contract import WritingContract
from tests.storagenode.store_dropping_contract import DroppingContract
from tests.storagenode.store_erasing_contract import ErasingContract
from tests.storagenode.store_keeping_contract import KeepingContract
from tests.storagenode.store_tiering_contract import TieringContract


class TestOnMoto(
    WritingContract, KeepingContract, TieringContract, DroppingContract, ErasingContract
):
    """The whole contract on moto's server."""

    @pytest.fixture(name="trial")
    def _trial(self, moto, clock):
        trial = BucketStoreUnderTest(moto, clock)
        yield trial
        trial.close()


class TestWithoutConditionalPuts(WritingContract):
    """The writing half of the contract on a server that accepts every put."""

    @pytest.fixture(name="trial")
    def _trial(self, moto, clock):
        trial = BucketStoreUnderTest(moto, clock, has_conditional_puts=False)
        yield trial
        trial.close()


class TestOnSeaweedFS(
    WritingContract, KeepingContract, TieringContract, DroppingContract, ErasingContract
):
    """The whole contract on SeaweedFS's gateway."""

    @pytest.fixture(name="trial")
    def _trial(self, seaweed, clock):
        trial = BucketStoreUnderTest(seaweed, clock)
        yield trial
        trial.close()
