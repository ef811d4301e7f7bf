"""Operations of each volume state."""

from volumes.volume_state import VolumeState


def test_the_table_of_states():
    """A closed volume accepts no new photos, but the sizes of existing ones."""
    table = {s.value: (s.accepts_new_photos, s.accepts_sizes) for s in VolumeState}
    assert table == {"new": (False, True), "open": (True, True), "closed": (False, True)}
