"""Verification of the audit log: what is done to a copy is found, and named."""

import pytest

from storagemaster.audit.entries import Act, Chain, parse_line
from storagemaster.audit.verification import Verification

LATER = "2026-12-01"
SECONDS = 1_769_817_600.0


def act(number):
    """Return an act."""
    return Act(act="delete", target=f"3/photo{number}", result="done", caller="k3v9q2mf")


def lines_of(name="m1-a", count=6):
    """Return the lines of one process, without their ends."""
    chain = Chain(name)
    return [chain.line(act(n), now_seconds=SECONDS + n).rstrip() for n in range(count)]


def verify(copies, *, has_all_nodes=True, settled_before=LATER):
    """Return the findings in the copies of nodes, as fault, number, and node."""
    verification = Verification()
    for node, lines in copies.items():
        for count, line in enumerate(lines, 1):
            verification.add(node, f"line {count}", line)
    findings = verification.finish(has_all_nodes=has_all_nodes, settled_before=settled_before)
    return [(each.fault, each.number, each.node) for each in findings]


def without(lines, *numbers):
    """Return the lines without those with these numbers."""
    return [line for number, line in enumerate(lines, 1) if number not in numbers]


def changed(lines, number, old=b"3/photo", new=b"4/photo"):
    """Return the lines with one of them changed."""
    return [
        line.replace(old, new) if each == number else line for each, line in enumerate(lines, 1)
    ]


def test_equal_copies_have_no_findings():
    """Lines of several processes can alternate, and an append that was repeated is harmless."""
    one, other = lines_of("m1-a"), lines_of("m2-b")
    mixed = [line for pair in zip(one, other, strict=True) for line in pair]
    assert verify({"east-1": mixed, "west-1": [*one, *other, *one]}) == []


def test_a_chain_can_begin_on_an_earlier_day():
    """The first line of the days that are verified has any number."""
    lines = lines_of()[3:]
    assert verify({"east-1": lines, "west-1": lines}) == []


@pytest.mark.parametrize("number", [2, 3, 5])
def test_a_line_removed_from_all_copies_is_named(number):
    """The numbers of the others tell which is missing."""
    lines = without(lines_of(), number)
    assert verify({"east-1": lines, "west-1": lines}) == [("removed", number, "")]


@pytest.mark.parametrize("number", [1, 3, 6])
def test_a_line_removed_from_one_copy_is_named(number):
    """Also the first and the last, which no other line of the copy implies."""
    lines = lines_of()
    assert verify({"east-1": without(lines, number), "west-1": lines}) == [("removed", number, "")]


def test_several_removed_lines_are_one_finding():
    """The first of them has its number."""
    lines = without(lines_of(), 3, 4)
    assert verify({"east-1": lines, "west-1": lines}) == [("removed", 3, "")]


def test_a_line_that_a_node_may_still_get_is_not_missing():
    """Young entries, and copies of nodes that did not respond, are unknown."""
    lines = lines_of()
    copies = {"east-1": lines, "west-1": lines[:-1]}
    assert verify(copies, settled_before="2026-01-31T00:00:05") == []
    assert verify(copies, has_all_nodes=False) == []


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_changed_line_is_named_with_its_node(number):
    """The next line has the hash of the true one."""
    lines = lines_of()
    copies = {"east-1": lines, "west-1": changed(lines, number)}
    assert verify(copies) == [("changed", number, "west-1")]


def test_a_line_changed_in_all_copies_is_named():
    """Equal copies are not evidence."""
    lines = changed(lines_of(), 3)
    assert verify({"east-1": lines, "west-1": lines}) == [
        ("changed", 3, "east-1"),
        ("changed", 3, "west-1"),
    ]


def test_a_last_line_that_differs_is_named():
    """Nothing tells which of the two is true."""
    lines = lines_of()
    assert verify({"east-1": lines, "west-1": changed(lines, 6)}) == [("changed", 6, "")]


def test_reordered_lines_are_named_with_their_node():
    """Two lines that changed places are found in the copy that has them so."""
    lines = lines_of()
    swapped = [*lines[:2], lines[3], lines[2], *lines[4:]]
    assert verify({"east-1": lines, "west-1": swapped}) == [("reordered", 3, "west-1")]


def test_an_unreadable_line_is_named():
    """The other copy has the entry."""
    lines = lines_of()
    copies = {"east-1": lines, "west-1": [*lines[:2], b'{"act":', *lines[2:]]}
    assert verify(copies) == [("unreadable", 0, "west-1")]


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{}", b"\xff", b'{"act": 1}', lines_of()[0].replace(b"1,", b'"1",')]
)
def test_other_lines_are_no_entries(line):
    """Only a line with all fields of their types is one."""
    assert parse_line(line) is None


def test_a_line_has_the_hash_of_the_one_before():
    """The first has none."""
    first, second = map(parse_line, lines_of(count=2))
    assert (first.entry.number, first.entry.previous) == (1, "")
    assert (second.entry.number, second.entry.previous) == (2, first.digest)
    assert second.entry.time == "2026-01-31T00:00:01.000Z"
