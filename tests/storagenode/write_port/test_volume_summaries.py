"""Summaries of many volumes in one request."""

from tests.storagenode.photo_samples import OTHER_VOLUME, VOLUME, bytes_of, variant_of, version_of


def test_summaries_are_continued_when_time_is_short(served, monkeypatch):
    """Each request returns at least one; volumes without a mirror here are left out."""
    served.put(variant_of(version_of(700)), bytes_of("photo"))
    served.store.create_volumes([44])
    monkeypatch.setattr("storagenode.write_port.repair_api.ROWS_SECONDS", -1)
    found = served.run(served.client.volume_summaries([VOLUME, OTHER_VOLUME, 44]))
    assert found == {each: served.store.volume_summary(each) for each in (VOLUME, 44)}
    assert found[VOLUME].photos >= 1
