"""`glassplate import`: every photo once, in any number of runs, with a reason if it fails."""

import asyncio
import fcntl
import hashlib
import json
from asyncio.subprocess import PIPE

import pytest

from drill.cluster.seaweedfs import s3_client
from glassplate import digest_key
from tests.free_ports import free_ports
from tests.glassplate.faulty_servers import forwards, misbehaving_master
from tests.glassplate.live_cluster import jpeg
from tests.s3_servers import CREDENTIALS, make_bucket, moto_server, seaweedfs


@pytest.fixture(name="folder")
def _folder(tmp_path, monkeypatch):
    """Change to an empty directory, and return another one for photos."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


@pytest.fixture(name="photos")
def _photos(folder, seeds):
    """Write three photos, one of them above the limit for uploads from memory."""
    photos = {"a.jpg": jpeg(next(seeds)), "b/c.JPEG": jpeg(next(seeds)) + bytes(2_000_000)}
    photos["b/d.jpg"] = jpeg(next(seeds))
    (folder / "b").mkdir()
    for name, data in photos.items():
        (folder / name).write_bytes(data)
    return photos


def entries(path):
    """Return the lines of a journal, by path; the last of each counts."""
    lines = map(json.loads, path.read_text().splitlines())
    return {line["path"]: line for line in lines}


def test_photos_are_imported_and_recorded(glassplate, client, folder, photos):
    """The journal has reference and digest of each, and the cluster the same bytes."""
    (folder / "notes.txt").touch()
    (folder / ".hidden.jpg").touch()
    result = glassplate("import", folder, "-j", "2")
    assert result.exit_code == 0
    assert "3 imported, 2 skipped" in result.stderr
    (journal,) = folder.parent.glob("here/import-*.jsonl")
    assert journal.name in result.stderr
    recorded = entries(journal)
    assert recorded.keys() == photos.keys()
    for name, data in photos.items():
        assert recorded[name]["sha256"] == hashlib.sha256(data).hexdigest()
        assert recorded[name]["bytes"] == len(data)
        assert client.get(recorded[name]["reference"]) == data


def test_another_run_skips_what_is_there(glassplate, folder, photos):
    """A new file is imported, and one that has changed."""
    assert glassplate("import", folder, "--journal", "j").exit_code == 0
    again = glassplate("import", folder, "--journal", "j", "--json")
    assert again.exit_code == 0
    document = json.loads(again.stdout)
    assert (document["imported"], document["present"], document["bytes"]) == (0, len(photos), 0)
    (folder / "new.jpg").write_bytes(jpeg(1) + b"new")
    (folder / "a.jpg").write_bytes(jpeg(1) + b"changed")
    third = json.loads(glassplate("import", folder, "--journal", "j", "--json").stdout)
    assert (third["imported"], third["present"]) == (2, len(photos) - 1)


def test_a_lost_journal_makes_no_second_photo(glassplate, cluster, folder, photos):
    """The references are the same, because the key of a photo follows from its digest."""
    for journal in ("first", "second"):
        assert glassplate("import", folder, "--journal", journal).exit_code == 0
    here = folder.parent / "here"
    first, second = (entries(here / name) for name in ("first", "second"))
    assert first == second
    assert all(len(cluster.originals_of(data)) == 1 for data in photos.values())


def test_photos_that_the_cluster_has_are_not_sent(glassplate, client, folder, photos):
    """Whichever way they came; the journal has their references."""
    references = {}
    for name, data in photos.items():
        key = digest_key(hashlib.sha256(data).hexdigest())
        references[name] = client.put(folder / name, idempotency_key=key).reference
    document = json.loads(glassplate("import", folder, "--journal", "j", "--json").stdout)
    assert (document["imported"], document["present"]) == (0, len(photos))
    recorded = entries(folder.parent / "here" / "j")
    assert {name: entry["reference"] for name, entry in recorded.items()} == references


def test_equal_files_are_one_photo(glassplate, folder, photo):
    """Both have a line in the journal, with the same reference."""
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(photo)
    assert glassplate("import", folder, "--journal", "j").exit_code == 0
    recorded = entries(folder.parent / "here" / "j")
    assert recorded["a.jpg"]["reference"] == recorded["b.jpg"]["reference"]


def test_failures_are_reported_and_do_not_stop_others(glassplate, client, folder, photos):
    """With the reason on stderr, in JSON, and in the journal; exit status 1."""
    assert glassplate("import", folder, "--journal", "j").exit_code == 0
    journal = folder.parent / "here" / "j"
    client.delete(entries(journal)["a.jpg"]["reference"])
    (folder / "empty.jpg").touch()
    (folder / "gone.jpg").symlink_to(folder / "missing.jpg")
    (folder / "text.jpg").write_text("this is text " * 20)
    (folder / "new.jpg").write_bytes(jpeg(2) + b"of this test")
    result = glassplate("import", folder, "--journal", "j", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    errors = {failed["file"]: failed["error"] for failed in document["failed"]}
    assert errors == {
        "a.jpg": "photo-gone",
        "empty.jpg": "unusable-source",
        "gone.jpg": "unusable-source",
        "text.jpg": "unsupported-format",
    }
    assert (document["imported"], document["present"]) == (1, len(photos) - 1)
    assert "text.jpg was not imported: Unsupported format" in result.stderr
    assert "1 imported, 2 already there, 4 failed" in result.stderr
    recorded = entries(journal)
    assert all(recorded[name]["reason"] for name in errors)
    assert all("reference" not in recorded[name] for name in errors)


def test_a_dry_run_changes_nothing(glassplate, cluster, folder, photos):
    """It lists the photos that would be imported, and writes no journal."""
    result = glassplate("import", folder, "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == list(photos)
    assert "3 not attempted" in result.stderr
    assert list(folder.parent.glob("here/*")) == []
    assert not any(cluster.originals_of(data) for data in photos.values())


def test_a_killed_import_continues(glassplate, program, environment, cluster, folder, photos):
    """It was killed when a photo was stored and not recorded; each photo is stored once."""
    journal = folder.parent / "here" / "j"

    async def kill_at_the_second():
        is_stored = asyncio.Event()

        async def stores(request, master):
            await master.forward(request)
            is_stored.set()
            await asyncio.sleep(60)

        async with misbehaving_master(cluster.masters[0], *[forwards] * 2, stores) as master:
            command = ["--url", master.url, "import", folder, "-j", "1", "--journal", journal]
            process = await asyncio.create_subprocess_exec(
                program, *command, env=environment, stdout=PIPE, stderr=PIPE
            )
            await asyncio.wait_for(is_stored.wait(), 60)
            process.kill()
            await process.communicate()

    asyncio.run(kill_at_the_second())
    assert list(entries(journal)) == ["a.jpg"]
    with journal.open("a") as file:
        file.write('{"path": "b/c.JP')
    document = json.loads(glassplate("import", folder, "--journal", journal, "--json").stdout)
    assert (document["imported"], document["present"]) == (1, 2)
    assert all(len(cluster.originals_of(data)) == 1 for data in photos.values())
    last = json.loads(glassplate("import", folder, "--journal", journal, "--json").stdout)
    assert (last["imported"], last["present"]) == (0, 3)


def test_an_unreachable_cluster_ends_the_import(glassplate, folder, photos):
    """Only the first upload is attempted, and the exit status is 3."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    result = glassplate("--url", url, "import", folder, "-j", "1", "--json")
    assert result.exit_code == 3
    document = json.loads(result.stdout)
    assert len(document["failed"]) == 1
    assert document["not_attempted"] == len(photos) - 1
    assert "Run the same command again to continue." in result.stderr


def test_two_imports_do_not_share_a_journal(glassplate, folder, photos):
    """The second one says so, and imports nothing."""
    assert photos
    with (folder.parent / "here" / "j").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = glassplate("import", folder, "--journal", "j")
    assert result.exit_code == 1
    assert "another import is writing j" in result.stderr


@pytest.mark.parametrize("source", ["missing", "s3://"])
def test_the_source_must_exist(glassplate, folder, source):
    """A wrong path is not an empty directory."""
    del folder
    result = glassplate("import", source)
    assert result.exit_code in {1, 2}
    assert source in result.stderr


def test_progress_is_shown_at_a_terminal(at_terminal, folder, photos):
    """A bar shows photos, bytes, rate, and the time left."""
    shown, status = at_terminal("import", folder, "-j", "1")
    assert status == 0
    assert f"photos: {len(photos)} of {len(photos)}" in shown
    assert "/2.0 MB" in shown


@pytest.fixture(name="endpoint", params=["moto", "seaweedfs"], scope="module")
def _endpoint(request, tmp_path_factory):
    """Run an S3 server with an empty bucket."""
    folder = tmp_path_factory.mktemp("s3")
    server = moto_server(CREDENTIALS) if request.param == "moto" else seaweedfs(folder)
    with server as endpoint:
        make_bucket(endpoint, "old")
        yield endpoint


def test_a_bucket_is_imported(glassplate, client, folder, photos, endpoint, monkeypatch):
    """Only the objects below the prefix, and each once."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    bucket = s3_client(endpoint)
    for name, data in photos.items():
        bucket.put_object(Bucket="old", Key=f"2019/{name}", Body=data)
    bucket.put_object(Bucket="old", Key="2019/notes.txt", Body=b"text")
    bucket.put_object(Bucket="old", Key="2019b/other.jpg", Body=b"another prefix")
    document = json.loads(glassplate("import", "s3://old/2019", "--journal", "j", "--json").stdout)
    assert (document["imported"], document["skipped"], document["failed"]) == (3, 1, [])
    recorded = entries(folder.parent / "here" / "j")
    for name, data in photos.items():
        assert client.get(recorded[name]["reference"]) == data
    again = json.loads(glassplate("import", "s3://old/2019", "--journal", "j", "--json").stdout)
    assert (again["imported"], again["present"]) == (0, 3)
    missing = glassplate("import", "s3://absent/")
    assert missing.exit_code == 1
    assert "cannot read s3://absent/" in missing.stderr
