"""Repair plans of three mirrors, executed on a model and judged without the planner.

The digest of a file names the worker that made it. An info describes the sizes of its worker.
"""

from hypothesis import given
from hypothesis import strategies as st

from storagemaster.repair.plan import plan_shard
from storagemaster.repair.steps import Copy, QuarantineInfo, Replace, ReplaceSizes
from storagenode.protocol.files import ListedFile
from volumes.photo_path import PhotoVersion, parse_name

OF = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
STEM = f"{OF.photo}_{OF.version}"
ORIGINAL, INFO = f"{STEM}_o.jpg", f"{STEM}.json"
SIZES = (f"{STEM}_m.jpg", f"{STEM}_s.jpg")
PASSES_MAX = 4


@st.composite
def mirrors(draw):
    """Draw a mirror with the files of one worker, except for lost ones."""
    worker = draw(st.sampled_from("ab"))
    kept = draw(st.sets(st.sampled_from((*SIZES, INFO))))
    return {ORIGINAL: "o"} | dict.fromkeys(kept, worker)


CLUSTERS = st.fixed_dictionaries({node: mirrors() for node in ("east", "north", "west")})


def plan(found):
    """Return the plan for the files of each mirror."""
    listings = {
        node: [ListedFile(name, 10, digest) for name, digest in files.items()]
        for node, files in found.items()
    }
    return plan_shard(1, listings, complete=True)


def name_of(file):
    """Return the name of a file of the model."""
    (name,) = [name for name in (ORIGINAL, INFO, *SIZES) if parse_name(1, name) == file]
    return name


def run_step(step, found):
    """Execute one step on the model."""
    if isinstance(step, QuarantineInfo):
        assert found[step.node].pop(INFO) == step.digest
        return
    for pull in step.steps if isinstance(step, ReplaceSizes) else (step,):
        assert isinstance(pull, Copy | Replace)
        assert found[pull.source][name_of(pull.file)] == pull.digest
        found[pull.node][name_of(pull.file)] = pull.digest


def made_again(found):
    """Store the sizes of a third worker where no mirror has an info, as after a sweep."""
    if not any(INFO in files for files in found.values()):
        for files in found.values():
            files.update(dict.fromkeys((*SIZES, INFO), "c"))


def is_sound(files):
    """Return True if an info describes the sizes beside it."""
    return INFO not in files or {files[name] for name in SIZES if name in files} <= {files[INFO]}


@given(CLUSTERS)
def test_mirrors_end_equal_and_complete_and_no_info_is_beside_other_sizes(found):
    """Whatever three mirrors have lost of the sizes of two workers."""
    sizes = {name for files in found.values() for name in files if name in SIZES}
    for _ in range(PASSES_MAX):
        for step in plan(found).steps:
            run_step(step, found)
        made_again(found)
        assert all(map(is_sound, found.values()))
    assert found["east"] == found["north"] == found["west"]
    assert sizes <= found["east"].keys()
    assert plan(found).steps == ()


@given(CLUSTERS)
def test_a_mirror_gets_an_info_after_the_sizes_that_it_describes(found):
    """A storagemaster can die after any step, and an info means that all sizes are there."""
    lacking = {node for node, files in found.items() if INFO not in files}
    described = {files[INFO]: set() for files in found.values() if INFO in files}
    for files in found.values():
        if INFO in files:
            described[files[INFO]] |= files.keys() & set(SIZES)
    for step in plan(found).steps:
        run_step(step, found)
        for node in lacking & {step.node}:
            files = found[node]
            assert INFO not in files or described[files[INFO]] <= files.keys()


def test_sizes_that_no_info_describes_are_made_again():
    """A copy would put a size beside an info that describes another."""
    found = {
        "east": {ORIGINAL: "o", SIZES[0]: "a", INFO: "a"},
        "west": {ORIGINAL: "o", SIZES[1]: "b", INFO: "b"},
    }
    steps = plan(found).steps
    assert [(type(step), step.node) for step in steps] == [
        (QuarantineInfo, "east"),
        (QuarantineInfo, "west"),
    ]


def test_an_unreachable_mirror_may_have_the_sizes():
    """Then no info goes to quarantine."""
    listings = {
        "east": [ListedFile(SIZES[0], 10, "a"), ListedFile(INFO, 10, "a")],
        "west": [ListedFile(SIZES[1], 10, "b")],
    }
    steps = plan_shard(1, listings, complete=False).steps
    assert not [step for step in steps if isinstance(step, QuarantineInfo)]
