"""The signers of other languages: equal results for every vector, and of the Python client."""

import json
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest

from glassplate import Client, GlassplateError, UsageError
from glassplate.session import signing
from permission_urls import Key, KeyRing, KeyState, TicketVerifier, Verifier
from tests.docs.pages import blocks, read_page

HERE = Path(__file__).parent
SIGNERS = HERE.parents[1] / "signers"
VECTORS_FILE = SIGNERS / "vectors.json"
VECTORS = json.loads(VECTORS_FILE.read_text(encoding="utf-8"))
COMMANDS = {
    "js": ["node", HERE / "run_vectors.mjs"],
    "php": ["php", HERE / "run_vectors.php"],
}
LINES_MAX = 135


@pytest.fixture(name="results", params=COMMANDS, scope="module")
def _results(request):
    """Return the results of one language for every vector."""
    command = [*COMMANDS[request.param], VECTORS_FILE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("kind", "result"), [("urls", "url"), ("tickets", "ticket"), ("webhooks", "event")]
)
def test_a_signer_agrees_with_every_vector(results, kind, result):
    """Good arguments give the same text, and bad ones an error."""
    found = zip(VECTORS[kind], results[kind], strict=True)
    assert [(case, got) for case, got in found if got != case[result]] == []


def test_a_signer_uses_the_clock_and_random_ids(results):
    """Without a time and an id, the URL ends in the future, and the ticket has a valid id."""
    url, ticket = results["own"]
    classes = {size["letter"]: size["class"] for size in VECTORS["application"]["sizes"]}
    keys = {"a": bytes.fromhex(VECTORS["application"]["read_key"]["secret"])}
    target = url.removeprefix("https://photos.example")
    permitted = Verifier(keys, classes).verify(target, time.time())
    assert 0 < permitted.permission.expiry - time.time() <= 360
    assert parse_ticket(ticket).bytes_max == 1


def test_the_ruby_functions_of_the_page_agree(tmp_path):
    """They make and refuse the same URLs of restricted keys, and the same webhooks."""
    (snippet,) = blocks(read_page("docs/signers.md"), "ruby")
    program = tmp_path / "page.rb"
    program.write_text(snippet)
    command = ["ruby", HERE / "run_vectors.rb", VECTORS_FILE, program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout)
    urls = [case["url"] for case in VECTORS["urls"] if case["url"] or "read_key" in case]
    assert results["urls"] == urls
    assert results["tickets"] == [case["ticket"] for case in VECTORS["tickets"] if case["ticket"]]
    assert results["webhooks"] == [case["event"] for case in VECTORS["webhooks"]]


@pytest.mark.parametrize("language", COMMANDS)
def test_a_signer_is_one_short_file(language):
    """An application copies it."""
    (file,) = (SIGNERS / language).iterdir()
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


def test_there_are_good_and_bad_vectors_of_each_kind():
    """A signer that always fails, or never does, agrees with neither."""
    for kind, result in (("urls", "url"), ("tickets", "ticket"), ("webhooks", "event")):
        is_good = [case[result] is not None for case in VECTORS[kind]]
        assert min(is_good.count(True), is_good.count(False)) >= 6


@pytest.fixture(name="client")
def _client(tmp_path):
    """Return a Python client with the application of the vectors."""
    return client_of(tmp_path)


def client_of(folder, **changed):
    """Return a Python client with the application of the vectors, but for some values."""
    path = folder / "shop.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(VECTORS["application"] | changed))
    return Client.from_application(path)


def result_or_none(work):
    """Return the result of a call, or None for an error of the client."""
    try:
        return work()
    except GlassplateError:
        return None


def test_the_python_client_makes_the_urls(tmp_path, monkeypatch):
    """Each URL is equal, and each error is the caller's."""
    for case in VECTORS["urls"]:
        monkeypatch.setattr(signing.time, "time", lambda now=case["now"]: now)
        expires = timedelta(seconds=case["expires"]) if "expires" in case else None
        changed = {"read_key": case["read_key"]} if "read_key" in case else {}
        client = client_of(tmp_path, **changed)

        def url(client=client, case=case, expires=expires):
            return client.url(case["reference"], case["size"], ext=case.get("ext"), expires=expires)

        if case["url"] is None:
            with pytest.raises(UsageError):
                url()
        else:
            assert url() == case["url"]


def test_the_python_client_verifies_the_webhooks(client, monkeypatch):
    """It accepts the same ones."""
    monkeypatch.setattr(signing.time, "time", lambda: VECTORS["webhooks"][0]["now"])
    for case in VECTORS["webhooks"]:
        body = case["body"].encode()
        event = result_or_none(lambda c=case, b=body: client.verify_webhook(c["signature"], b))
        assert (event is None) == (case["event"] is None), case
        if event is not None:
            assert {name: getattr(event, name) for name in case["event"]} == case["event"]


def test_a_storagemaster_accepts_the_tickets():
    """Each has the claims of its vector."""
    for case in VECTORS["tickets"]:
        if case["ticket"] is not None:
            ticket = parse_ticket(case["ticket"], now=case["now"])
            for name, value in case["claims"].items():
                found = getattr(ticket, name)
                assert (list(found) if isinstance(found, tuple) else found) == value


def parse_ticket(text, *, now=None):
    """Return a ticket as a storagemaster does that has the cluster's key."""
    secret = bytes.fromhex(VECTORS["cluster_secrets"]["ticket"]["b2"])
    ring = KeyRing(keys=(Key(key_id="b2", secret=secret, state=KeyState.SIGNING),))
    now_seconds = time.time() if now is None else now
    return TicketVerifier(ring).verify(text, now_seconds=now_seconds)
