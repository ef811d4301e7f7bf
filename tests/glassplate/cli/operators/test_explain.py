"""`glassplate explain`, against a real cluster."""

import http.server
import json
import threading
import time
from datetime import timedelta

import pytest

from glassplate import BadReference, blocking
from glassplate.urls.explaining import Response, confirm_response, parse_target, predict_response
from tests.storagemaster.small_cluster import HOST

KEYS = {
    "target",
    "answer",
    "permission",
    "edges",
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


@pytest.fixture(name="explained")
def _explained(client):
    """Return a function that explains a photo: the status and the reason."""

    def explained(photo):
        answer = client.explain(photo)["answer"]
        return answer["status"], answer["reason"]

    return explained


def test_stored_photo_is_200(glassplate, receipt, original):
    """The explanation of a URL or reference lists every copy with its size and digest."""
    for text in (receipt.urls["o"], receipt.reference):
        result = glassplate("explain", text, "--json")
        assert result.exit_code == 0
        document = json.loads(result.stdout)
        assert document.keys() == KEYS
        assert document["answer"] == {"status": 200, "reason": "it is on east-2, west-2."}
        copies = [(c["path"], c["bytes"], c["sha256"]) for c in document["copies"]]
        assert copies == [(original, receipt.bytes, receipt.sha256)] * 2
        assert document["versions"][0]["state"] == "pending"
    shown = glassplate("explain", receipt.urls["o"]).stdout
    assert "Permission: good (key a, expires never)" in shown
    assert "Volume 3 is open, on east-2, west-2" in shown


def test_copy_on_a_node_that_is_no_mirror_is_not_served(client, receipt):
    """Edges do not request it there."""
    facts = client.explain(receipt.reference)
    facts["copies"] = [{**copy, "node": "west-1"} for copy in facts["copies"]]
    response = predict_response(parse_target(receipt.reference), facts, None)
    assert response.status == 404
    assert "west-1, which is not a mirror" in response.reason


EDGE_STATUSES = [
    ({"a": 200, "b": 200}, 200, ""),
    ({"a": 200, "b": None}, 200, ""),
    ({}, 200, ""),
    ({"a": 403, "b": 403}, 403, "a responds 403, b responds 403, but 200 is expected: "),
    ({"a": 200, "b": 403}, None, "a responds 200, b responds 403, but 200 is expected: "),
    ({"a": None, "b": 404}, 404, "b responds 404, but 200 is expected: "),
]


@pytest.mark.parametrize(("statuses", "status", "begin"), EDGE_STATUSES)
def test_an_edge_that_responds_otherwise_decides(statuses, status, begin):
    """It can have older keys or an older volume map: 200 is never claimed against an edge."""
    edges = [{"edge": name, "status": each, "reason": ""} for name, each in statuses.items()]
    expected = Response(status, f"{begin}it is on x.")
    assert confirm_response(Response(200, "it is on x."), edges) == expected


class OldEdge(http.server.BaseHTTPRequestHandler):
    """An edge that lacks the new key."""

    def do_GET(self):
        """Respond 403."""
        self.send_error(403)

    def log_message(self, *_):
        """Print nothing."""


def test_edges_are_requested(cluster, receipt):
    """The answer is that of the edge, whatever the files are."""
    with http.server.HTTPServer((HOST, 0), OldEdge) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        edge = f"http://{HOST}:{server.server_port}"
        with blocking.Client(cluster.masters, keys=cluster.keys, edges=[edge]) as client:
            document = client.explain(receipt.urls["o"])
        server.shutdown()
    assert document["edges"] == [{"edge": edge, "status": 403, "reason": ""}]
    assert document["answer"]["status"] == 403


def test_no_mac_is_printed(glassplate, receipt):
    """The output contains no MAC, of a valid or an invalid permission."""
    url = receipt.urls["m"]
    mac = url.rpartition("/")[2].split(".")[3]
    for text in (url, url.replace(".jpg", ".png"), url + "x"):
        for options in ([], ["--json"]):
            assert mac not in glassplate("explain", text, *options).output


def test_missing_size_is_404(explained, cluster, client, receipt):
    """The reason is a waiting job, or a photo without this size."""
    url = client.url(receipt.reference, "m")
    deadline = time.monotonic() + 20
    while "its sizes are not made yet; its job is queued" not in explained(url)[1]:
        assert time.monotonic() < deadline, explained(url)
        time.sleep(0.05)
    assert explained(url)[0] == 404
    cluster.make_one_size(receipt.reference)
    status, reason = explained(url)
    assert status == 404
    assert "the photo does not have this size" in reason
    assert explained(client.url(receipt.reference, "t"))[0] == 200


def test_invalid_permission_is_403(explained, client, receipt):
    """A changed permission is 403, and a malformed URL is 400."""
    url = receipt.urls["o"]
    assert explained(url.replace(".a.0.", ".a.1."))[0] == 403
    assert explained(url.replace(".a.0.", ".b.0."))[1].endswith("unknown key.")
    assert explained(url.replace(".a.0.", ".").replace("_o", "_zz"))[0] == 403
    assert explained(url + "?download=1") == (
        400,
        "the permission is invalid: malformed request target.",
    )
    soon = client.explain(client.url(receipt.reference, "m", expires=timedelta(hours=1)))
    assert soon["permission"]["expires"].endswith("Z")
    assert soon["permission"]["verdict"] == "good"


def test_deleted_photo_is_410(explained, client, receipt):
    """The reason names the nodes with the tombstone of the version or the photo."""
    client.delete(receipt.reference)
    assert explained(receipt.urls["o"]) == (
        410,
        "this version was deleted: its tombstone is on east-2, west-2.",
    )
    client.delete(f"{receipt.volume}/{receipt.photo}")
    assert explained(receipt.reference)[1].startswith("the photo was deleted")
    document = client.explain(receipt.reference)
    assert len(document["tombstones"]) == 4
    assert {copy["location"] for copy in document["copies"]} == {"live", "trash"}
    assert document["versions"][0]["state"] == "gone"


def test_unreachable_mirrors_leave_doubt(explained, glassplate, cluster, client, photo):
    """The other mirror may have the file, and hints are listed."""
    with cluster.without("west-2"):
        receipt = client.put(photo, volume=3)
        assert explained(receipt.reference) == (200, "it is on east-2.")
        (hint,) = client.explain(receipt.reference)["hints"]
        assert (hint["hint_for"], hint["sha256"]) == ("west-2", receipt.sha256)
        status, reason = explained(NEVER)
        assert status is None
        assert reason.endswith("unreachable: west-2.")
        assert "unknown status" in glassplate("explain", NEVER).stdout
    with cluster.without("east-2", "west-2"):
        assert explained(NEVER) == (
            502,
            "every mirror of volume 3 is unreachable: east-2, west-2.",
        )


def test_file_without_a_digest_is_502(explained, receipt, original, record_digest):
    """A copy is served only if it has a digest."""
    for node in ("east-2", "west-2"):
        assert explained(receipt.reference)[0] == 200
        record_digest(node, original, None)
    assert explained(receipt.reference)[0] == 502
    for node in ("east-2", "west-2"):
        record_digest(node, original, receipt.sha256)
    assert explained(receipt.reference)[0] == 200


def test_unknown_photos_are_reported(explained, glassplate, client):
    """Missing photos, missing versions, and invalid references have their own results."""
    assert explained(NEVER)[0] == 404
    assert explained(NEVER.rpartition("/")[0])[1].startswith("a URL names one version")
    assert glassplate("explain", NEVER).exit_code == 1
    assert glassplate("explain", "4/01jd3x8m2c9qp4k7/3fz8qd").exit_code == 1
    with pytest.raises(BadReference):
        client.explain("cat.jpg")


def test_without_keys_the_permission_is_not_checked(cluster, client, receipt):
    """Without keys, the explanation depends on the permission and has all other facts."""
    token = client.sign_token(["admin"])
    with blocking.Client(cluster.masters, token=token) as keyless:
        document = keyless.explain(receipt.urls["o"])
    assert document["permission"]["status"] is None
    assert document["answer"]["status"] is None
    assert document["answer"]["reason"].startswith("if the permission is valid, 200: ")
