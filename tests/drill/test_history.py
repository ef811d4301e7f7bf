"""Histories as JSON lines."""

import json
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from drill.history import (
    History,
    Op,
    Operation,
    Outcome,
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
    pending_mirrors=st.lists(words, max_size=3).map(tuple),
    purge_pending=st.lists(words, max_size=3).map(tuple),
)


@given(operations)
def test_a_line_has_every_field_that_differs_from_its_default(operation):
    """An operation is one line of JSON, and a missing field has its default."""
    line = render_operation(operation)
    assert "\n" not in line
    rendered = json.loads(line)
    for field in fields(operation):
        value = getattr(operation, field.name)
        assert rendered.get(field.name, field.default) == (
            list(value) if isinstance(value, tuple) and value else value
        )


def test_a_history_is_written_to_a_file(tmp_path):
    """A file has the operations in the order in which they ended."""
    history = History()
    for number in range(3):
        history.add(Operation(op=Op.PUT, outcome=Outcome.OK, invoke_ns=number, complete_ns=9))
    history.write(tmp_path / "history.jsonl")
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert lines == [render_operation(each) for each in history.operations]
