"""Histories: written as JSON lines and read back the same."""

from hypothesis import given
from hypothesis import strategies as st

from drill.history import (
    History,
    Op,
    Operation,
    Outcome,
    parse_operation,
    read_history,
    render_operation,
)

words = st.text(max_size=8)
operations = st.builds(
    Operation,
    op=st.sampled_from(Op),
    outcome=st.sampled_from(Outcome),
    invoke_ns=st.integers(0, 2**62),
    complete_ns=st.integers(0, 2**62),
    key=words,
    photo=words,
    path=words,
    digest=words,
    bytes=st.integers(0, 2**40),
    edge=words,
    status=st.integers(0, 599),
    error=words,
    permitted=st.booleans(),
    owed=st.lists(words, max_size=3).map(tuple),
    purge_pending=st.lists(words, max_size=3).map(tuple),
)


@given(operations)
def test_a_line_is_read_back_as_what_was_written(operation):
    """Rendering and parsing are inverses, and a line is one line."""
    line = render_operation(operation)
    assert "\n" not in line
    assert parse_operation(line) == operation


def test_a_history_is_kept_in_a_file(tmp_path):
    """In the order in which the operations ended."""
    history = History()
    for number in range(3):
        history.add(Operation(op=Op.PUT, outcome=Outcome.OK, invoke_ns=number, complete_ns=9))
    history.write(tmp_path / "history.jsonl")
    assert list(read_history(tmp_path / "history.jsonl")) == history.operations
