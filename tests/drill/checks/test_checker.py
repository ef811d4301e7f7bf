"""The checker: each rule holds for a correct run, and is violated by one change."""

import dataclasses

import pytest

from drill.checks.checker import RULES, check, count_photos
from drill.checks.final_state import ObservedResponse
from drill.checks.history_rules import FORGIVEN_READS
from drill.checks.photo_index import index_history
from drill.checks.stalls import Stall
from drill.history import SECOND, Op, Outcome
from tests.drill.example_drill import (
    CAT,
    CAT_INFO,
    CAT_PATH,
    CAT_SMALL,
    CRITERIA,
    HEN,
    HEN_GONE,
    HEN_PATH,
    MIRRORS,
    at,
    digest_of,
    get,
    history,
    put,
    state,
    stored,
    with_file,
    with_response,
)

HEN_PHOTO = HEN.rpartition("/")[0]


def broken_rules(operations=None, final=None, **criteria):
    """Return the rules that a run violates."""
    verdict = check(
        operations or history(), final or state(), dataclasses.replace(CRITERIA, **criteria)
    )
    assert verdict.held == (not verdict.violations)
    return {violation.rule for violation in verdict.violations}


def without_removal():
    """Return the history without the delete of the hen, whose files are on no mirror."""
    return [each for each in history() if each.op is not Op.DELETE and each.status != 410]


def test_a_correct_run_violates_no_rule():
    """Every rule has something to check, except those about events that the run lacks."""
    verdict = check(history(), state(), CRITERIA)
    assert verdict.violations == []
    unchecked = {f.rule for f in verdict.findings if not f.checked}
    assert unchecked == {"C2", "C16"}
    assert [finding.rule for finding in verdict.findings] == list(RULES)


@pytest.mark.parametrize("words", ["hen", "half of a cat", ""])
def test_c1_other_bytes_under_a_path(words):
    """Bytes of another photo, a part, and an empty body violate C1."""
    assert broken_rules([*history(), get(16, CAT_PATH, words)]) == {"C1"}


def test_c1_a_size_with_other_bytes_than_its_info_names():
    """The digest of a size comes from the info document."""
    assert broken_rules([*history(), get(16, CAT_SMALL, "cat")]) == {"C1"}


def test_c2_served_past_the_bound_after_a_delete():
    """An edge may serve a deleted photo within the bound, and must not after it."""
    assert broken_rules([*history(), get(19, HEN_PATH, "hen")]) == set()
    assert broken_rules([*history(), get(20, HEN_PATH, "hen")]) == {"C2"}


@pytest.mark.parametrize(
    "fields", [{"purge_pending": ("varnish",)}, {"pending_mirrors": ("west-1",)}]
)
def test_c2_an_unreachable_server_has_60_s_after_the_last_fault(fields):
    """The longer bound applies only to the pending edge, or to all edges if a mirror is pending."""
    operations = [
        dataclasses.replace(each, **fields) if each.op is Op.DELETE else each for each in history()
    ]
    assert broken_rules([*operations, get(79, HEN_PATH, "hen", edge="varnish")]) == set()
    assert broken_rules([*operations, get(81, HEN_PATH, "hen", edge="varnish")]) == {"C2"}
    late = broken_rules([*operations, get(21, HEN_PATH, "hen", edge="east-nginx")])
    assert late == ({"C2"} if "purge_pending" in fields else set())


@pytest.mark.parametrize("status", [404, 410])
def test_c3_an_acknowledged_photo_is_reported_missing(status):
    """404 and 410 for an acknowledged photo violate C3; an unreachable photo is a 5xx."""
    denied = at(30, Op.GET, Outcome.FAIL, path=CAT_PATH, edge="varnish", status=status)
    assert broken_rules([*history(), denied]) == {"C3"}


def test_c3_allows_404_before_the_acknowledgement_and_during_a_delete():
    """C3 does not apply before the acknowledgement, or after the request for removal."""
    early = at(0.5, Op.GET, Outcome.FAIL, path=CAT_PATH, edge="varnish", status=404)
    during = at(14.1, Op.GET, Outcome.FAIL, path=HEN_PATH, edge="varnish", status=410)
    assert broken_rules([*history(), early, during]) == set()


@pytest.mark.parametrize(
    "final",
    [with_file("west-1", CAT_PATH, None), with_file("west-1", CAT_PATH, stored("cut"))],
    ids=["lost on one mirror", "different on one mirror"],
)
def test_c4_a_mirror_without_the_photo(final):
    """An acknowledged photo must be equal on every mirror in the final state."""
    assert "C4" in broken_rules(final=final)


def test_c4_lost_everywhere():
    """A photo without any copy violates C4, and C11 for lack of sizes."""
    lost = dataclasses.replace(
        state(), files={node: {HEN_GONE: stored("gone")} for node in ("east-1", "west-1")}, infos={}
    )
    assert broken_rules(final=lost) == {"C4", "C11"}


def test_c5_a_deleted_photo_on_a_disk():
    """C5 covers mirrors and all other nodes."""
    assert broken_rules(final=with_file("west-1", HEN_PATH, stored("hen"))) == {"C5", "C6"}
    assert broken_rules(final=with_file("east-2", HEN_PATH, stored("hen"))) == {"C5", "C6"}


def test_c5_a_deleted_photo_without_its_tombstone():
    """A missing tombstone is a violation: an old backup could restore the photo."""
    assert broken_rules(final=with_file("west-1", HEN_GONE, None)) == {"C5", "C6"}


def test_c5_a_file_beside_a_tombstone_without_acknowledgement():
    """A tombstone covers all files of its photo, also if the delete had no response."""
    operations = [each for each in history() if each.op is not Op.DELETE and each.path != HEN_PATH]
    final = state()
    for node in MIRRORS:
        files = {**final.files, node: {**final.files[node], HEN_PATH: stored("hen")}}
        final = dataclasses.replace(final, files=files)
    upload = at(2, Op.PUT, Outcome.INFO, key="hen", digest=digest_of("hen"))
    assert broken_rules([*operations, upload], final) == {"C5"}


def test_c1_an_original_that_no_client_uploaded():
    """The digest of every original on disk is one of an upload."""
    path = "1/zz/000000000000zzzz_333333_o.jpg"
    assert "C1" in broken_rules(final=with_file("east-1", path, stored("bird")))


def test_c5_a_deleted_photo_in_a_cache():
    """C5 covers the caches of edges."""
    warm = with_response(HEN_PATH, "varnish", status=200, digest=digest_of("hen"))
    assert broken_rules(final=warm) == {"C5"}


def test_c6_an_upload_without_response_on_one_mirror():
    """An upload without a response must be on all mirrors or on none."""
    path = "1/zz/000000000000zzzz_333333_o.jpg"
    upload = at(5, Op.PUT, Outcome.INFO, key="bird", digest=digest_of("bird"))
    assert broken_rules([*history(), upload], with_file("east-1", path, stored("bird"))) == {"C6"}
    assert broken_rules([*history(), upload]) == set()


def test_c6_a_delete_without_response_with_one_tombstone():
    """A tombstone on one mirror must reach the others."""
    operations = [
        dataclasses.replace(each, outcome=Outcome.INFO) if each.op is Op.DELETE else each
        for each in history()
    ]
    assert broken_rules(operations, with_file("west-1", HEN_GONE, None)) == {"C6"}
    assert broken_rules(operations) == set()


def test_c7_a_staged_file_is_left_over():
    """No staged file and no hint may remain."""
    final = dataclasses.replace(state(), leftovers=("east-1:.staging/x",))
    assert broken_rules(final=final) == {"C7"}


def test_c7_more_quarantined_files_than_the_faults_damaged():
    """A quarantined file that no fault damaged is a violation."""
    final = dataclasses.replace(state(), quarantined=2)
    assert broken_rules(final=final, quarantined_max=1) == {"C7"}
    assert broken_rules(final=final, quarantined_max=2) == set()


def test_c8_an_info_names_a_missing_size():
    """An info document promises that all its sizes exist."""
    final = state()
    for node in ("east-1", "west-1"):
        final = dataclasses.replace(
            final,
            files={
                **final.files,
                node: {p: f for p, f in final.files[node].items() if p != CAT_SMALL},
            },
        )
    assert broken_rules(final=final) == {"C8"}


@pytest.mark.parametrize("recorded", ["", digest_of("other")])
def test_c8_bytes_differ_from_the_recorded_digest(recorded):
    """A missing and a wrong digest violate C8."""
    assert broken_rules(final=with_file("west-1", CAT_PATH, stored("cat", recorded))) == {"C8"}


@pytest.mark.parametrize(
    "fields", [{"etag": '"2-3"'}, {"last_modified": "never"}, {"content_type": "text/html"}]
)
def test_c9_headers_that_differ(fields):
    """A client that reads ranges from two mirrors needs equal headers."""
    assert broken_rules(final=with_response(CAT_PATH, "west-1", **fields)) == {"C9"}


def test_c10_two_photos_for_one_key():
    """C10 compares receipts and the bytes on disks."""
    again = put(6, "1/000000000000kkkk/444444", "1/kk/000000000000kkkk_444444_o.jpg", "cat")
    assert "C10" in broken_rules([*history(), again])
    final = with_file("east-1", "1/kk/000000000000kkkk_444444_o.jpg", stored("cat"))
    assert "C10" in broken_rules(final=final)


def test_c10_two_contents_of_one_path():
    """Files are immutable, so that a path has one content."""
    assert "C10" in broken_rules(final=with_file("west-1", CAT_SMALL, stored("smaller cat")))


def test_c11_neither_sizes_nor_a_failure_record():
    """A photo needs an info document or a failure record."""
    final = dataclasses.replace(
        state(),
        files={
            n: {p: f for p, f in fs.items() if p != CAT_INFO} for n, fs in state().files.items()
        },
        infos={},
    )
    assert broken_rules(final=final) == {"C11"}
    failed = dataclasses.replace(
        final,
        files={
            node: {**final.files[node], CAT_INFO.replace(".json", ".fail"): stored("why")}
            for node in ("east-1", "west-1")
        },
    )
    assert broken_rules(final=failed) == set()


def test_c12_too_many_failed_reads_at_unaffected_edges():
    """C12 counts reads at unaffected edges, while the faults last."""
    failed = at(16, Op.GET, Outcome.INFO, path=CAT_PATH, edge="varnish", error="timeout")
    assert broken_rules([*history(), *[failed] * FORGIVEN_READS]) == set()
    too_many = [*history(), *[failed] * (FORGIVEN_READS + 1)]
    assert broken_rules(too_many) == {"C12"}
    assert broken_rules(too_many, read_success_min=0.5) == set()
    assert broken_rules(too_many, unaffected_edges=frozenset({"east-nginx"})) == set()
    after = at(25, Op.GET, Outcome.INFO, path=CAT_PATH, edge="varnish", error="timeout")
    assert broken_rules([*history(), *[after] * 9]) == set()


def test_c12_ignores_failures_during_a_stall_of_the_machine():
    """Failures during a stall and in its aftermath do not count."""
    failed = at(16, Op.GET, Outcome.INFO, path=CAT_PATH, edge="varnish", error="timeout")
    reads = [failed] * (FORGIVEN_READS + 1)
    for begun, ended, broken in (
        (15, 15.5, set()),
        (16.2, 17, set()),
        (9, 9.9, {"C12"}),
        (16.6, 17, {"C12"}),
    ):
        stall = Stall(int(begun * SECOND), int(ended * SECOND))
        assert broken_rules([*history(), *reads], stalls=[stall]) == broken


def test_c12_ignores_photos_of_one_colo_during_a_partition():
    """A degraded photo does not count at edges of a partitioned colo, and counts elsewhere."""
    cat, *others = history()
    failed = at(16, Op.GET, Outcome.FAIL, path=CAT_PATH, edge="varnish", status=502)
    reads = [failed] * (FORGIVEN_READS + 1)
    colo_of = {"varnish": "east", "east-master": "east", "west-master": "west"}
    for durability, master, partition, broken in (
        ("degraded", "west-master", colo_of, set()),
        ("degraded", "east-master", colo_of, {"C12"}),
        ("mirrored", "west-master", colo_of, {"C12"}),
        ("degraded", "west-master", {}, {"C12"}),
    ):
        taken = dataclasses.replace(cat, durability=durability, edge=master)
        assert broken_rules([taken, *others, *reads], colo_of=partition) == broken


def test_c13_served_without_a_permission():
    """A 200 for a URL without a valid permission violates C13."""
    assert broken_rules([*history(), get(16, CAT_PATH, "cat", permitted=False)]) == {"C13"}


@pytest.mark.parametrize("took", [None, 61])
def test_c14_not_converged_in_time(took):
    """Late and missing convergence violate C14."""
    assert broken_rules(converged_seconds=took) == {"C14"}


def test_c15_a_repair_that_moves_far_more_than_is_missing():
    """The limit is three times the missing bytes, plus the comparison."""
    assert broken_rules(missing_bytes=100, moved_bytes=310, listing_bytes=10) == set()
    assert broken_rules(missing_bytes=100, moved_bytes=311, listing_bytes=10) == {"C15"}


def test_c16_a_photo_with_fewer_copies_while_the_map_changed():
    """A removed photo has none, so that only kept ones count."""
    short = {CAT_PATH: "only on ['east-1'] with map 3"}
    assert broken_rules(copies_watched=True, shortages=short) == {"C16"}
    assert broken_rules(copies_watched=True, shortages={HEN_PATH: "only on []"}) == set()


def test_a_revocation_removes_one_version_and_acknowledges_the_next():
    """C5 applies to the old version, and C4 to the new one."""
    new = "1/000000000000cats/999999"
    path = "1/ts/000000000000cats_999999_o.jpg"
    revoked = at(
        16, Op.REVOKE, photo=CAT, new_photo=new, path=path, digest=digest_of("cat"), key="cat"
    )
    found = check([*history(), revoked], state(), CRITERIA)
    violated = {(each.rule, each.photo) for each in found.violations}
    assert ("C4", new) in violated
    assert ("C5", CAT) in violated


def test_a_rejected_delete_is_not_a_removal():
    """C4 still applies to a photo whose delete was rejected."""
    rejected = at(5, Op.DELETE, Outcome.FAIL, photo=HEN_PHOTO, status=503)
    assert broken_rules([*without_removal(), rejected]) == {"C4"}


def test_photos_are_counted():
    """The report has counts of acknowledged, lost, unread, and stale photos."""
    counted = count_photos(index_history(history()), state())
    assert counted == {
        "acknowledged": 2,
        "removed": 1,
        "stable": 1,
        "lost": 0,
        "never_read": 0,
        "stale": 0,
        "unknown_uploads": 0,
    }
    assert ObservedResponse(status=200).identity == ("", "", "", "0")
