"""`glassplate regenerate` through the real queue. It overwrites nothing."""

import json

import pytest
from click.testing import CliRunner

from glassplate.cli.commands import regenerate as regenerate_module
from glassplate.cli.commands.regenerate import regenerate
from glassplate.cli.connection import Connection
from tests.glassplate.live_cluster import jpeg
from tests.imageworker.impatient_worker import CRASHES_ITS_DECODER
from tests.imageworker.queue_cluster import jobs_left, wait_until


@pytest.fixture(name="cluster", scope="module")
def _cluster(queue_cluster):
    """Run a queue cluster with one worker."""
    queue_cluster.start_worker()
    yield queue_cluster
    queue_cluster.stop_workers()


@pytest.fixture(name="run")
def _run(cluster):
    """Run the command; return its exit status and its output as documents."""
    connection = Connection(
        cluster_path=cluster.live.config, cluster_is_chosen=True, urls=(), token=None
    )

    def run(*arguments):
        result = CliRunner().invoke(regenerate, arguments, obj=connection)
        return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]

    return run


def test_failed_photos_are_regenerated_and_ready_ones_are_not(cluster, seeds, run, monkeypatch):
    """A failed photo becomes ready after its cause is fixed; an info supersedes the failure."""
    good = cluster.put(jpeg(next(seeds)), volume=3).reference
    bad = cluster.put(jpeg(next(seeds)) + CRASHES_ITS_DECODER, volume=3).reference
    assert cluster.wait_until_settled([good, bad])[bad].state == "failed"
    code, printed = run("--failed", "--volume", "3")
    assert code == 0
    assert {"photo": bad, "regenerated": bad} in printed
    assert good not in {line["photo"] for line in printed}
    monkeypatch.setenv("GLASSPLATE_SOUND_DECODER", "1")
    # A regeneration in progress would end with its worker.
    wait_until("no job to be left", lambda: jobs_left(cluster.redis) == 0)
    cluster.stop_workers()
    cluster.start_worker()
    code, printed = run("--failed", "--photo", bad)
    assert (code, printed) == (0, [{"photo": bad, "regenerated": bad}])
    wait_until("the photo to be ready", lambda: cluster.states([bad])[bad].state == "ready")
    for files in cluster.files_of(bad).values():
        assert {".fail", ".json", "_1.try", "_2.try"} <= files.keys()


def test_another_recipe_makes_a_new_version_and_leaves_the_old_one(
    cluster, seeds, run, monkeypatch
):
    """Another recipe gives a new version with the same original, its own URLs, and sizes.

    Idempotent.
    """
    old = cluster.put(jpeg(next(seeds))).reference
    cluster.wait_until_settled([old])
    before = cluster.files_of(old)
    monkeypatch.setattr(regenerate_module, "_current_recipe", lambda _: "another")
    code, printed = run("--recipe", "--volume", old.partition("/")[0])
    assert code == 0
    (new,) = [line["regenerated"] for line in printed if line["photo"] == old]
    assert new != old
    assert cluster.wait_until_settled([new])[new].state == "ready"
    assert run("--recipe", "--photo", old) == (0, [{"photo": old, "regenerated": new}])
    assert cluster.files_of(old) == before
    for node, files in cluster.files_of(new).items():
        assert files["_o.jpg"] == before[node]["_o.jpg"]
    with cluster.client() as client:
        client.delete(old)
        assert client.info(new).state == "ready"


def test_photos_of_the_current_recipe_are_left_alone(cluster, seeds, run):
    """A photo of the current recipe is skipped."""
    reference = cluster.put(jpeg(next(seeds)), volume=2).reference
    cluster.wait_until_settled([reference])
    _, printed = run("--recipe", "--volume", "2")
    assert reference not in {line["photo"] for line in printed}


@pytest.mark.parametrize(
    "arguments",
    [(), ("--failed", "--recipe"), ("--failed", "--volume", "1", "--photo", "1/a/b")],
)
def test_a_regeneration_without_a_filter_is_rejected(run, arguments):
    """A regeneration without a filter is rejected before any request."""
    assert run(*arguments) == (2, [])


def test_a_missing_photo_is_reported(run):
    """A missing photo is reported, with a nonzero exit status."""
    code, printed = run("--failed", "--photo", "1/01jd3x8m2c9qp4k7/3fz8qd")
    assert (code, printed) == (1, [])
