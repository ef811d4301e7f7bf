"""The checker: every rule is shown to hold on a good drill, and to break on one thing spoilt."""

import dataclasses

import pytest

from drill.checks.checker import RULES, check, count_of_sets
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
    HEN,
    HEN_GONE,
    HEN_PATH,
    TERMS,
    answered,
    at,
    changed,
    digest_of,
    get,
    held,
    history,
    put,
    state,
)

HEN_PHOTO = HEN.rpartition("/")[0]


def broken_rules(operations=None, final=None, **terms):
    """The rules that a drill breaks."""
    verdict = check(operations or history(), final or state(), dataclasses.replace(TERMS, **terms))
    assert verdict.held == (not verdict.violations)
    return {violation.rule for violation in verdict.violations}


def without_removal():
    """The history before anybody deleted the hen, whose files are on no mirror."""
    return [each for each in history() if each.op is not Op.DELETE and each.status != 410]


def test_a_drill_in_which_all_is_as_promised_breaks_no_rule():
    """And no rule passes because it looked at nothing, but those for what did not happen."""
    verdict = check(history(), state(), TERMS)
    assert verdict.violations == []
    looked_at_nothing = {f.rule for f in verdict.findings if not f.checked}
    assert looked_at_nothing == {"C2", "C6"}
    assert [finding.rule for finding in verdict.findings] == list(RULES)


@pytest.mark.parametrize("words", ["hen", "half of a cat", ""])
def test_c1_other_bytes_under_a_path(words):
    """Another photo's bytes, a part and nothing are all wrong, when they come with 200."""
    assert broken_rules([*history(), get(16, CAT_PATH, words)]) == {"C1"}


def test_c1_a_size_that_is_not_what_its_info_says():
    """Sizes have digests too."""
    assert broken_rules([*history(), get(16, CAT_SMALL, "cat")]) == {"C1"}


def test_c2_served_past_the_bound_after_a_delete():
    """Within it an edge may still serve what it had; past it, and from then on, not."""
    assert broken_rules([*history(), get(19, HEN_PATH, "hen")]) == set()
    assert broken_rules([*history(), get(20, HEN_PATH, "hen")]) == {"C2"}


@pytest.mark.parametrize(
    "said", [{"purge_pending": ("varnish",)}, {"pending_mirrors": ("west-1",)}]
)
def test_c2_who_could_not_be_told_has_until_its_links_have_healed(said):
    """And a minute; an edge that was told has no more than ever."""
    told = [
        dataclasses.replace(each, **said) if each.op is Op.DELETE else each for each in history()
    ]
    assert broken_rules([*told, get(79, HEN_PATH, "hen", edge="varnish")]) == set()
    assert broken_rules([*told, get(81, HEN_PATH, "hen", edge="varnish")]) == {"C2"}
    late = broken_rules([*told, get(21, HEN_PATH, "hen", edge="east-nginx")])
    assert late == ({"C2"} if "purge_pending" in said else set())


@pytest.mark.parametrize("status", [404, 410])
def test_c3_denied_though_acknowledged(status):
    """Whoever cannot reach a photo says 503, and never that it is not there."""
    denied = at(30, Op.GET, Outcome.FAIL, path=CAT_PATH, edge="varnish", status=status)
    assert broken_rules([*history(), denied]) == {"C3"}


def test_c3_allows_404_before_the_acknowledgement_and_while_a_delete_is_on_its_way():
    """What is not promised yet, or being deleted, may be denied."""
    early = at(0.5, Op.GET, Outcome.FAIL, path=CAT_PATH, edge="varnish", status=404)
    during = at(14.1, Op.GET, Outcome.FAIL, path=HEN_PATH, edge="varnish", status=410)
    assert broken_rules([*history(), early, during]) == set()


@pytest.mark.parametrize(
    "final",
    [changed("west-1", CAT_PATH, None), changed("west-1", CAT_PATH, held("cut"))],
    ids=["lost on one mirror", "different on one mirror"],
)
def test_c4_a_mirror_without_the_photo(final):
    """Acknowledged is: on every mirror, once all is healed."""
    assert "C4" in broken_rules(final=final)


def test_c4_lost_everywhere():
    """A photo that is nowhere is lost, which no other rule can see by itself."""
    lost = dataclasses.replace(
        state(), files={node: {HEN_GONE: held("gone")} for node in ("east-1", "west-1")}, infos={}
    )
    assert broken_rules(final=lost) == {"C4", "C11"}


def test_c5_a_deleted_photo_on_a_disk():
    """Also on a node that is no mirror of its volume."""
    assert broken_rules(final=changed("west-1", HEN_PATH, held("hen"))) == {"C5"}
    assert broken_rules(final=changed("east-2", HEN_PATH, held("hen"))) == {"C5"}


def test_c5_a_deleted_photo_without_its_tombstone():
    """Absence is no delete: without the tombstone any old backup would bring it back."""
    assert broken_rules(final=changed("west-1", HEN_GONE, None)) == {"C5"}


def test_c5_a_deleted_photo_in_a_cache():
    """The edges are asked in the end, too."""
    warm = answered(HEN_PATH, "varnish", status=200, digest=digest_of("hen"))
    assert broken_rules(final=warm) == {"C5"}


def test_c6_an_unanswered_upload_on_one_mirror():
    """Nobody knows whether it happened; the mirrors must at least agree."""
    path = "1/zz/000000000000zzzz_333333_o.jpg"
    asked = at(5, Op.PUT, Outcome.INFO, key="bird", digest=digest_of("bird"))
    assert broken_rules([*history(), asked], changed("east-1", path, held("bird"))) == {"C6"}
    assert broken_rules([*history(), asked]) == set()


def test_c6_an_unanswered_delete_with_one_tombstone():
    """A tombstone on one mirror wins, and so must reach the others."""
    operations = [
        dataclasses.replace(each, outcome=Outcome.INFO) if each.op is Op.DELETE else each
        for each in history()
    ]
    assert broken_rules(operations, changed("west-1", HEN_GONE, None)) == {"C6"}
    assert broken_rules(operations) == set()


def test_c7_staged_or_owed_files_left_over():
    """All that was begun is ended, and all that was owed is home."""
    final = dataclasses.replace(state(), leftovers=("east-1:.staging/x",))
    assert broken_rules(final=final) == {"C7"}


def test_c7_more_in_quarantine_than_was_made_corrupt():
    """A copy set aside without a fault that explains it was good, or its corruption is ours."""
    final = dataclasses.replace(state(), quarantined=2)
    assert broken_rules(final=final, quarantined_max=1) == {"C7"}
    assert broken_rules(final=final, quarantined_max=2) == set()


def test_c8_an_info_that_names_what_is_not_there():
    """The presence of the info says that all sizes are."""
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


@pytest.mark.parametrize("noted", ["", digest_of("other")])
def test_c8_bytes_that_are_not_what_is_noted(noted):
    """A digest that is missing or wrong protects nothing."""
    assert broken_rules(final=changed("west-1", CAT_PATH, held("cat", noted))) == {"C8"}


@pytest.mark.parametrize(
    "said", [{"etag": '"2-3"'}, {"last_modified": "never"}, {"content_type": "text/html"}]
)
def test_c9_headers_that_differ(said):
    """Half of a photo from each of two mirrors must be a photo."""
    assert broken_rules(final=answered(CAT_PATH, "west-1", **said)) == {"C9"}


def test_c10_two_photos_for_one_key():
    """By their receipts, or by their bytes on the disks."""
    again = put(6, "1/000000000000kkkk/444444", "1/kk/000000000000kkkk_444444_o.jpg", "cat")
    assert "C10" in broken_rules([*history(), again])
    final = changed("east-1", "1/kk/000000000000kkkk_444444_o.jpg", held("cat"))
    assert broken_rules(final=final) == {"C10"}


def test_c10_two_contents_of_one_path():
    """Files are written once and never changed."""
    assert "C10" in broken_rules(final=changed("west-1", CAT_SMALL, held("smaller cat")))


def test_c11_neither_sizes_nor_a_reason():
    """A note of failure is a reason."""
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
            node: {**final.files[node], CAT_INFO.replace(".json", ".fail"): held("why")}
            for node in ("east-1", "west-1")
        },
    )
    assert broken_rules(final=failed) == set()


def test_c12_too_many_reads_that_fail_where_faults_leave_a_way():
    """Only reads through edges that the faults spare count, and only while the faults last."""
    failed = at(16, Op.GET, Outcome.INFO, path=CAT_PATH, edge="varnish", error="timeout")
    assert broken_rules([*history(), *[failed] * FORGIVEN_READS]) == set()
    too_many = [*history(), *[failed] * (FORGIVEN_READS + 1)]
    assert broken_rules(too_many) == {"C12"}
    assert broken_rules(too_many, read_success_min=0.5) == set()
    assert broken_rules(too_many, unaffected_edges=frozenset({"east-nginx"})) == set()
    after = at(25, Op.GET, Outcome.INFO, path=CAT_PATH, edge="varnish", error="timeout")
    assert broken_rules([*history(), *[after] * 9]) == set()


def test_c12_a_machine_that_stood_still_is_not_the_cluster_s_fault():
    """Nor is what it left behind, for as long as an edge leaves a node alone."""
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


def test_c12_what_one_colo_took_alone_is_out_of_reach_while_they_are_apart():
    """Its receipt said so. At its own edges, and where nothing keeps colos apart, it counts."""
    cat, *others = history()
    failed = at(16, Op.GET, Outcome.FAIL, path=CAT_PATH, edge="varnish", status=502)
    reads = [failed] * (FORGIVEN_READS + 1)
    colo_of = {"varnish": "east", "east-master": "east", "west-master": "west"}
    for durability, master, apart, broken in (
        ("degraded", "west-master", colo_of, set()),
        ("degraded", "east-master", colo_of, {"C12"}),
        ("mirrored", "west-master", colo_of, {"C12"}),
        ("degraded", "west-master", {}, {"C12"}),
    ):
        taken = dataclasses.replace(cat, durability=durability, edge=master)
        assert broken_rules([taken, *others, *reads], colo_of=apart) == broken


def test_c13_served_without_a_permission():
    """Whatever fails, it fails closed."""
    assert broken_rules([*history(), get(16, CAT_PATH, "cat", permitted=False)]) == {"C13"}


@pytest.mark.parametrize("took", [None, 61])
def test_c14_not_converged_in_time(took):
    """Later is as bad as never."""
    assert broken_rules(converged_seconds=took) == {"C14"}


def test_c15_a_repair_that_moves_far_more_than_is_missing():
    """Three times what was missing is allowed, and what comparing takes."""
    assert broken_rules(missing_bytes=100, moved_bytes=310, listing_bytes=10) == set()
    assert broken_rules(missing_bytes=100, moved_bytes=311, listing_bytes=10) == {"C15"}


def test_a_revocation_ends_one_version_and_promises_the_next():
    """The old URL must be dead, and the new version kept as any other."""
    new = "1/000000000000cats/999999"
    path = "1/ts/000000000000cats_999999_o.jpg"
    revoked = at(
        16, Op.REVOKE, photo=CAT, new_photo=new, path=path, digest=digest_of("cat"), key="cat"
    )
    found = check([*history(), revoked], state(), TERMS)
    blamed = {(each.rule, each.photo) for each in found.violations}
    assert ("C4", new) in blamed
    assert ("C5", CAT) in blamed


def test_a_plain_no_is_no_removal():
    """A delete that was refused leaves the promise as it was."""
    refused = at(5, Op.DELETE, Outcome.FAIL, photo=HEN_PHOTO, status=503)
    assert broken_rules([*without_removal(), refused]) == {"C4", "C11"}


def test_sets_are_counted():
    """How many were acknowledged, lost, never read, and refused at least once."""
    counted = count_of_sets(index_history(history()), state())
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
