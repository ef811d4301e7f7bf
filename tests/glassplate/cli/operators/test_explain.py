"""`glassplate explain`, against a real cluster."""

import json
import time
from datetime import timedelta

import pytest

from glassplate import BadReference, blocking

KEYS = {
    "target",
    "answer",
    "permission",
    "volume",
    "volume_state",
    "photo",
    "mirrors",
    "copies",
    "unreachable",
    "versions",
    "tombstones",
    "hints",
}
NEVER = "3/01jd3x8m2c9qp4k7/3fz8qd"


@pytest.fixture(name="said")
def _said(client):
    """What is said of a URL or reference: the status, and the sentence."""

    def said(photo):
        answer = client.explain(photo)["answer"]
        return answer["status"], answer["reason"]

    return said


def test_photo_that_is_there_is_200(glassplate, receipt, original):
    """By URL or by reference, with every copy, its size and its digest."""
    for text in (receipt.urls["o"], receipt.reference):
        result = glassplate("explain", text, "--json")
        assert result.exit_code == 0
        document = json.loads(result.stdout)
        assert document.keys() == KEYS
        assert document["answer"] == {"status": 200, "because": "it is at home on east-2, west-2."}
        copies = [(c["path"], c["bytes"], c["sha256"]) for c in document["copies"]]
        assert copies == [(original, receipt.bytes, receipt.sha256)] * 2
        assert document["versions"][0]["state"] == "pending"
    shown = glassplate("explain", receipt.urls["o"]).stdout
    assert "Permission: good (key a, expires never)" in shown
    assert "Volume 3 is open, on east-2, west-2" in shown


def test_no_mac_is_printed(glassplate, receipt):
    """Neither of a good permission nor of a bad one."""
    url = receipt.urls["m"]
    mac = url.rpartition("/")[2].split(".")[3]
    for text in (url, url.replace(".jpg", ".png"), url + "x"):
        for options in ([], ["--json"]):
            assert mac not in glassplate("explain", text, *options).output


def test_size_that_is_not_made_is_404(said, cluster, client, receipt):
    """Because its job waits, or because the photo does not have it."""
    url = client.url(receipt.reference, "m")
    deadline = time.monotonic() + 20
    while "its sizes are not made yet; its job is queued" not in said(url)[1]:
        assert time.monotonic() < deadline, said(url)
        time.sleep(0.05)
    assert said(url)[0] == 404
    cluster.make_one_size(receipt.reference)
    status, reason = said(url)
    assert status == 404
    assert "its sizes are made, and this is none of them" in reason
    assert said(client.url(receipt.reference, "t"))[0] == 200


def test_bad_permission_is_403(said, client, receipt):
    """Changed, expired, missing; and 400 where it is no URL of ours at all."""
    url = receipt.urls["o"]
    assert said(url.replace(".a.0.", ".a.1."))[0] == 403
    assert said(url.replace(".a.0.", ".b.0."))[1].endswith("unknown key.")
    assert said(url.replace(".a.0.", ".").replace("_o", "_zz"))[0] == 403
    assert said(url + "?download=1") == (
        400,
        "its permission does not open it: malformed request target.",
    )
    soon = client.explain(client.url(receipt.reference, "m", expires=timedelta(hours=1)))
    assert soon["permission"]["expires"].endswith("Z")
    assert soon["permission"]["verdict"] == "good"


def test_deleted_photo_is_410(said, client, receipt):
    """A version or the whole photo; where the tombstones are is told."""
    client.delete(receipt.reference)
    assert said(receipt.urls["o"]) == (
        410,
        "this version was deleted: its tombstone is on east-2, west-2.",
    )
    client.delete(f"{receipt.volume}/{receipt.photo}")
    assert said(receipt.reference)[1].startswith("the photo was deleted")
    document = client.explain(receipt.reference)
    assert len(document["tombstones"]) == 4
    assert {copy["location"] for copy in document["copies"]} == {"live", "trash"}
    assert document["versions"][0]["state"] == "gone"


def test_mirrors_that_are_down_make_it_unsure(said, glassplate, cluster, client, photo):
    """One that is up may lack what another has; owed copies are told."""
    with cluster.without("west-2"):
        receipt = client.put(photo, volume=3)
        assert said(receipt.reference) == (200, "it is at home on east-2.")
        (owed,) = client.explain(receipt.reference)["pending_mirrors"]
        assert (owed["hint_for"], owed["sha256"]) == ("west-2", receipt.sha256)
        status, reason = said(NEVER)
        assert status is None
        assert "west-2 does not answer" in reason
        assert "unsure" in glassplate("explain", NEVER).stdout
    with cluster.without("east-2", "west-2"):
        assert said(NEVER) == (502, "no mirror of volume 3 answers: east-2, west-2.")


def test_file_without_a_digest_is_502(said, receipt, original, record_digest):
    """Its bytes are not believed; on a mirror that has one they are."""
    for node in ("east-2", "west-2"):
        assert said(receipt.reference)[0] == 200
        record_digest(node, original, None)
    assert said(receipt.reference)[0] == 502
    for node in ("east-2", "west-2"):
        record_digest(node, original, receipt.sha256)
    assert said(receipt.reference)[0] == 200


def test_unknown_things_are_said_to_be(said, glassplate, client):
    """A photo that nobody has, a photo without its version, and what is no reference."""
    assert said(NEVER)[0] == 404
    assert said(NEVER.rpartition("/")[0])[1].startswith("no version is named")
    assert glassplate("explain", NEVER).exit_code == 1
    assert glassplate("explain", "4/01jd3x8m2c9qp4k7/3fz8qd").exit_code == 1
    with pytest.raises(BadReference):
        client.explain("cat.jpg")


def test_without_keys_the_permission_is_not_checked(cluster, client, receipt):
    """But all else is told."""
    token = client.sign_token(["admin"])
    with blocking.Client(cluster.masters, token=token) as keyless:
        document = keyless.explain(receipt.urls["o"])
    assert document["permission"]["status"] is None
    assert document["answer"]["status"] is None
    assert document["answer"]["reason"].startswith("if its permission is good, 200: ")
