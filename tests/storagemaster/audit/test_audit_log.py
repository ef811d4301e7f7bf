"""The audit log over HTTP: acts are durable in two colos before they are answered."""

import asyncio
import json
import re

import aiohttp
import pytest

from glassplate.session.new_tokens import new_token, sign_new_token
from permission_urls import sign_token
from storagemaster.audit import log_writer
from storagenode.client import NodeClient
from storagenode.protocol.audit_log import AUDIT
from storagenode.protocol.errors import OutOfSpace
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import COLO_OF, KEYS, NODES

ALWAYS = "since=2000-01-01"
FOREIGN_TOKEN = "gp2.a.eyJpZCI6ImFhYWFhYWFhIn0.AAAAAAAAAAAAAAAAAAAAAAAA"


def entries_on(cluster, kind="acts"):
    """Return the entries of each node that has any, as they are on its disk."""
    found = {}
    for node in NODES:
        for path in sorted(cluster.path(node, AUDIT).glob(f"*.{kind}.jsonl")):
            lines = path.read_text().splitlines()
            found.setdefault(node, []).extend(map(json.loads, lines))
    return found


def holders(cluster, act):
    """Return the nodes that have an entry of this act."""
    on = entries_on(cluster)
    return sorted(node for node in on if act in [entry["act"] for entry in on[node]])


def colos_of(nodes):
    """Return the colos of nodes."""
    return {COLO_OF[node] for node in nodes}


async def audit(cluster, query=ALWAYS):
    """Return a page of the audit log."""
    answer = await cluster.master.request("GET", f"/audit?{query}")
    assert answer.status == 200
    return answer.document


async def acts(cluster, query=ALWAYS):
    """Return the acts of a page, the latest first."""
    return [entry["act"] for entry in (await audit(cluster, query))["entries"]]


async def verified(cluster):
    """Return the texts of the findings."""
    return [each["text"] for each in (await audit(cluster, f"{ALWAYS}&verify=1"))["findings"]]


async def alerts(cluster):
    """Return the alerts about the audit log."""
    status = (await cluster.master.request("GET", "/status")).document
    return [alert for alert in status["alerts"] if "audit log" in alert]


def rewrite(cluster, node, change):
    """Change the lines of a node's file of acts."""
    (path,) = cluster.path(node, AUDIT).glob("*.acts.jsonl")
    path.chmod(0o600)
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


async def test_a_delete_is_in_two_colos_before_it_is_answered(cluster, photo):
    """Its entry says who, what, which photo, and with which result."""
    await cluster.master.delete(photo)
    on = entries_on(cluster)
    assert len(on) == 2
    assert colos_of(on) == {"east", "west"}
    (one,), (other,) = on.values()
    assert one == other
    assert (one["act"], one["target"], one["result"]) == (
        "delete",
        f"{photo.volume}/{photo.photo}",
        "done",
    )
    assert (one["application"], one["count"], one["number"]) == ("default", 1, 1)
    assert len(one["caller"]) == 8
    assert len(one["request"]) == 32


async def test_every_act_has_an_entry(cluster, photo):
    """Acts of operators and failed acts have one as well."""
    master = cluster.master
    revoked = await master.revoke(photo)
    version = revoked.document["version"]
    await master.request("POST", f"/repairs/{photo.volume}")
    await master.request("POST", "/scrubs?node=east-1")
    new = f"{photo.volume}/{photo.photo}/{version}"
    await master.request("POST", "/regenerations", data=json.dumps({"photo": new}).encode())
    await master.request("POST", f"/tiering/{photo.volume}?to=west-1")
    await master.request("POST", f"/tiering/{photo.volume}/{photo.shard}")
    await master.request("DELETE", f"/tiering/{photo.volume}")
    await master.delete_version(photo)
    await master.delete(photo)
    await master.request("POST", f"/photos/{photo.volume}/{photo.photo}/undelete")
    await master.request("POST", f"/photos/{photo.volume}/{photo.photo}/erase")
    await master.request("DELETE", f"/photos/{photo.volume}/{'0' * 16}")
    page = await audit(cluster)
    found = [(each["act"], each["target"], each["result"]) for each in reversed(page["entries"])]
    of_photo = f"{photo.volume}/{photo.photo}"
    assert [each for each in found if each[0] != "regenerate"] == [
        ("revoke", str(photo), "done"),
        ("repair", str(photo.volume), "done"),
        ("scrub", "east-1", "done"),
        ("offload", str(photo.volume), "done"),
        ("offload", f"{photo.volume}/{photo.shard}", "done"),
        ("recall", str(photo.volume), "done"),
        ("delete", str(photo), "done"),
        ("delete", of_photo, "done"),
        ("undelete", of_photo, "done"),
        ("erase", of_photo, "done"),
        ("delete", f"{photo.volume}/{'0' * 16}", "unknown-photo"),
    ]
    assert ("regenerate", new) in [each[:2] for each in found]
    assert await verified(cluster) == []


async def test_requests_that_change_nothing_have_no_entry(cluster, photo):
    """Neither reads nor plans are acts."""
    await cluster.master.photo(photo)
    await cluster.master.request("GET", f"/repairs/{photo.volume}")
    await cluster.master.request("GET", "/scrubs")
    await cluster.master.request("DELETE", "/photos/3/not-a-photo")
    await cluster.master.audit.store()
    assert await acts(cluster) == []


async def test_many_acts_at_once_share_appends(cluster, monkeypatch):
    """A delete does not wait for the fsync of each other delete."""
    appends = []
    append = NodeClient.append_audit

    async def count(node, file, lines):
        appends.append(lines.count(b"\n"))
        await append(node, file, lines)

    monkeypatch.setattr(NodeClient, "append_audit", count)
    photos = [(await cluster.master.upload(picture())).version for _ in range(30)]
    await asyncio.gather(*map(cluster.master.delete, photos))
    assert sum(appends) == 60
    assert len(appends) < 60
    assert len(await acts(cluster)) == 30
    assert await verified(cluster) == []


async def test_an_act_without_another_colo_happens_and_is_alerted(cluster, photo):
    """The log says so itself, and is completed when the colo is back."""
    await cluster.stop_and_notice("west-1", "west-2")
    assert (await cluster.master.delete(photo)).status == 200
    assert holders(cluster, "delete") == ["east-1", "east-2"]
    degraded, deleted = (await audit(cluster))["entries"]
    assert (degraded["act"], degraded["result"]) == ("audit", "one-colo")
    assert degraded["target"] == f"{deleted['chain']} 1-1"
    (alert,) = await alerts(cluster)
    assert "in one colo" in alert

    await cluster.start_and_notice("west-1", "west-2")
    await cluster.master.audit.store()
    await cluster.master.audit.close()
    assert colos_of(holders(cluster, "delete")) == {"east", "west"}
    assert await alerts(cluster) == []
    assert await verified(cluster) == []


async def test_an_act_that_no_node_can_log_happens_and_is_alerted(cluster, photo, monkeypatch):
    """An emergency does not wait for a log; the entry is stored as soon as nodes take it."""
    with monkeypatch.context() as patch:

        async def refuse(*_):
            raise OutOfSpace("full")

        patch.setattr(NodeClient, "append_audit", refuse)
        assert (await cluster.master.delete(photo)).status == 200
        assert entries_on(cluster) == {}
        (alert,) = await alerts(cluster)
        assert "on no node" in alert
    await cluster.master.audit.close()
    assert await acts(cluster) == ["audit", "delete"]
    assert await alerts(cluster) == []
    assert await verified(cluster) == []


async def test_an_entry_that_one_node_has_gets_its_second_copy(cluster, photo, monkeypatch):
    """No node gets it twice."""
    append = NodeClient.append_audit
    refusing = True

    async def only_one(node, file, lines):
        if refusing and "east-1" not in names[node.url]:
            raise OutOfSpace("full")
        await append(node, file, lines)

    names = {f"http://{cluster.config.nodes[id_].write}": id_ for id_ in NODES}
    monkeypatch.setattr(NodeClient, "append_audit", only_one)
    assert (await cluster.master.delete(photo)).status == 200
    assert holders(cluster, "delete") == ["east-1"]
    assert "on one node" in (await alerts(cluster))[0]
    refusing = False
    await cluster.master.audit.close()
    on = entries_on(cluster)
    assert [each["act"] for each in on["east-1"]].count("delete") == 1
    assert colos_of(holders(cluster, "delete")) == {"east", "west"}
    assert await verified(cluster) == []


async def test_a_frozen_node_delays_an_act_only_shortly(cluster, photo, impatience):
    """Another node of its colo stores the entry."""
    del impatience
    await cluster.master.delete(photo)
    first = holders(cluster, "delete")
    other = (await cluster.master.upload(picture(), volume=2)).version
    frozen = next(node for node in first if node.startswith("west"))
    cluster.links[frozen].freeze()
    async with asyncio.timeout(10):
        assert (await cluster.master.delete(other)).status == 200
    cluster.links[frozen].unfreeze()
    await cluster.poll()
    on = entries_on(cluster)
    nodes = [n for n in on if str(other.photo) in json.dumps(on[n])]
    assert colos_of(nodes) == {"east", "west"}


async def test_refused_credentials_are_counted(cluster, photo):
    """Equal refusals share an entry, so that no caller fills the log."""
    for _ in range(5):
        answer = await cluster.master.request(
            "DELETE",
            f"/photos/{photo.volume}/{photo.photo}",
            headers={"Authorization": f"Bearer {FOREIGN_TOKEN}"},
        )
        assert answer.status == 401
    reader = sign_new_token(KEYS, ["read"])
    answer = await cluster.master.request(
        "GET", "/status", headers={"Authorization": f"Bearer {reader}"}
    )
    assert answer.status == 403
    await cluster.master.audit.store()
    await cluster.master.audit.close()
    found = {(e["target"], e["result"]): e["count"] for e in (await audit(cluster))["entries"]}
    assert found == {
        ("DELETE /photos/{volume}/{photo}", "not-authorized"): 5,
        ("GET /status", "not-allowed"): 1,
    }


async def test_uploads_are_gathered_in_the_background(cluster):
    """Each has an entry of its own, in other files than acts."""
    plain = (await cluster.master.upload(picture())).version
    keyed = (await cluster.master.upload(picture(), key="one")).version
    assert entries_on(cluster, "uploads") == {}
    await cluster.master.audit.close()
    found = (await audit(cluster, f"{ALWAYS}&kind=uploads"))["entries"]
    assert {(e["act"], e["target"]) for e in found} == {
        ("upload", str(plain)),
        ("upload", str(keyed)),
    }
    assert colos_of(entries_on(cluster, "uploads")) == {"east", "west"}
    assert await acts(cluster) == []


async def test_the_log_has_no_secrets(cluster, photo):
    """Neither a token, nor the MAC of a URL, nor a name of a file."""
    urls = (await cluster.master.photo(photo)).document["urls"].values()
    form = aiohttp.FormData()
    form.add_field("photo", picture(), filename="holiday.jpg")
    await cluster.master.upload(form)
    await cluster.master.revoke(photo)
    await cluster.master.request(
        "GET", "/status", headers={"Authorization": f"Bearer {FOREIGN_TOKEN}"}
    )
    await cluster.master.audit.close()
    text = json.dumps([entries_on(cluster), entries_on(cluster, "uploads")])
    macs = {mac for url in urls for mac in re.findall(r"\.([\w-]{24})\.", url)}
    assert macs
    for secret in (FOREIGN_TOKEN, cluster.master._token, "holiday", "http", *urls, *macs):
        assert secret not in text


async def test_filters(cluster, photo):
    """By act, caller, photo, and number; an act on a whole photo concerns each version of it."""
    other = (await cluster.master.upload(picture())).version
    await cluster.master.delete_version(other)
    await cluster.master.delete(photo)
    caller = (await audit(cluster))["entries"][0]["caller"]
    assert await acts(cluster, f"{ALWAYS}&caller={caller}") == ["delete", "delete"]
    assert await acts(cluster, f"{ALWAYS}&caller=default") == ["delete", "delete"]
    assert await acts(cluster, f"{ALWAYS}&caller=other") == []
    assert await acts(cluster, f"{ALWAYS}&act=revoke") == []
    for wanted in (f"{photo.volume}/{photo.photo}", str(photo)):
        (entry,) = (await audit(cluster, f"{ALWAYS}&photo={wanted}"))["entries"]
        assert entry["target"] == f"{photo.volume}/{photo.photo}"
    assert await acts(cluster, f"{ALWAYS}&photo={other.volume}/{other.photo}") == ["delete"]
    limited = await audit(cluster, f"{ALWAYS}&limit=1")
    assert ([e["target"].count("/") for e in limited["entries"]], limited["is_complete"]) == (
        [1],
        False,
    )
    assert await acts(cluster, "until=2000-01-01") == []


@pytest.mark.parametrize(
    "query", ["since=today", "kind=x", "verify=2", "limit=0", "limit=x", "until=1"]
)
async def test_bad_queries_are_refused(cluster, query):
    """The problem names the parameter."""
    answer = await cluster.master.request("GET", f"/audit?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.document["detail"]


async def test_a_token_for_some_volumes_reads_no_log(cluster):
    """The log has the acts of all applications."""
    token = sign_token(KEYS, new_token(["audit"], volumes=[(1, 1)]))
    answer = await cluster.master.request(
        "GET", "/audit", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status == 403


async def test_nodes_that_do_not_respond_are_named(cluster, photo):
    """The entries of the others are shown, and nothing counts as removed."""
    await cluster.master.delete(photo)
    await cluster.stop_and_notice("west-1", "west-2")
    page = await audit(cluster, f"{ALWAYS}&verify=1")
    assert set(page["unreachable"]) == {"west-1", "west-2"}
    assert [each["act"] for each in page["entries"]] == ["delete"]
    assert page["findings"] == []


CHANGES = {
    "removed": lambda lines: [lines[0], *lines[2:]],
    "changed": lambda lines: [lines[0], lines[1].replace('"done"', '"unknown-photo"'), *lines[2:]],
    "reordered": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "unreadable": lambda lines: [lines[0], lines[1][:40] + "\n", *lines[1:]],
}


@pytest.mark.parametrize("fault", CHANGES)
async def test_verification_names_what_was_done_to_a_file(cluster, fault, monkeypatch):
    """One edited copy on one disk is enough."""
    monkeypatch.setattr("storagemaster.audit.log_reader.SETTLED_SECONDS", -60)
    photos = [(await cluster.master.upload(picture())).version for _ in range(4)]
    for photo in photos:
        await cluster.master.delete(photo)
    assert await verified(cluster) == []
    node = holders(cluster, "delete")[0]
    rewrite(cluster, node, CHANGES[fault])
    found = (await audit(cluster, f"{ALWAYS}&verify=1"))["findings"]
    assert [each["fault"] for each in found] == [fault]
    assert found[0]["number"] == (0 if fault == "unreadable" else 2)
    named = node if fault != "removed" else "another copy is missing"
    assert named in found[0]["text"]


async def test_entries_beyond_the_limit_are_in_the_log_of_the_process(
    cluster, photo, monkeypatch, caplog
):
    """A long outage does not fill the memory."""
    monkeypatch.setattr(log_writer, "ENTRIES_MAX", 2)

    async def refuse(*_):
        raise OutOfSpace("full")

    monkeypatch.setattr(NodeClient, "append_audit", refuse)
    for _ in range(3):
        await cluster.master.delete(photo)
    assert any("audit entry left out" in each.message for each in caplog.records)
