"""Volume states: what may be done in each, written out as the whole table."""

from volumes.volume_state import VolumeState


def test_the_table_of_states():
    """A closed volume takes no photo more, and still completes those it has."""
    table = {s.value: (s.accepts_new_photos, s.accepts_sizes) for s in VolumeState}
    assert table == {"open": (True, True), "closed": (False, True)}
