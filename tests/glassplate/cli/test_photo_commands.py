"""`glassplate get`, `url`, `info` and `rm`, against a real cluster."""

import json
import subprocess

import pytest

from glassplate import PhotoStatus

NEVER = "3/01jd3x8m2c9qp4k7/3fz8qd"


@pytest.fixture(name="receipt")
def _receipt(client, photo):
    """A photo in the cluster."""
    return client.put(photo)


@pytest.fixture(name="here")
def _here(tmp_path, monkeypatch):
    """A folder to be in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_get_writes_a_file_of_the_photos_own_name(glassplate, receipt, photo, here):
    """By reference or by URL, without its permission; a second time needs --force."""
    name = f"{receipt.photo}_{receipt.version}_o.jpg"
    result = glassplate("get", receipt.reference)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{name}\n", "")
    assert (here / name).read_bytes() == photo
    refused = glassplate("get", receipt.urls["o"])
    assert refused.exit_code == 1
    assert "is there already" in refused.stderr
    assert glassplate("get", receipt.urls["o"], "--force").exit_code == 0
    assert [path.name for path in here.iterdir()] == [name]


def test_get_writes_where_it_is_told(glassplate, receipt, photo, here):
    """A file, a directory, or stdout."""
    assert glassplate("get", receipt.reference, "-o", "cat.jpg").stdout == "cat.jpg\n"
    (here / "album").mkdir()
    stored = glassplate("get", receipt.reference, "-o", "album").stdout.strip()
    assert (here / stored).read_bytes() == photo
    assert glassplate("get", receipt.reference, "-o", "-").stdout_bytes == photo


def test_get_says_why_not(glassplate, receipt, here):
    """Sizes that are none or are not made, photos that are none, permissions that are no good."""
    del here
    for arguments, status, words in (
        (["get", receipt.reference, "--size", "m"], 1, "this size of it is not made"),
        (["get", receipt.reference, "--size", "y"], 2, "there is no size 'y'"),
        (["get", NEVER], 1, "no mirror has photo"),
        (["get", receipt.urls["o"].replace(".a.0.", ".a.1.")], 1, "permission is not good"),
        (["get", "nonsense"], 2, "not VOLUME/PHOTO/VERSION"),
    ):
        result = glassplate(*arguments)
        assert result.exit_code == status
        assert words in result.stderr
        assert "Traceback" not in result.output


def test_url_is_signed_where_nobody_answers(glassplate, cluster, client, receipt):
    """One line a size; what is signed here opens what the receipt's URL opens."""
    result = glassplate("--url", "http://127.0.0.1:1", "url", receipt.reference, "--size", "m")
    assert result.stdout.strip() == receipt.urls["m"]
    original = glassplate("url", receipt.reference, "--size", "o", "--ext", "jpg").stdout.strip()
    assert client.get(original) == client.get(receipt.urls["o"])
    several = glassplate("url", NEVER, "--size", "m", "--size", "b", "--expires", "1h").stdout
    assert len(several.splitlines()) == 2
    assert all(cluster.cluster.public_url in line for line in several.splitlines())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "Missing option '--size'"),
        (["--size", "y"], "there is no size 'y'; there are s, q"),
        (["--size", "o"], "format of an original must be told"),
        (["--size", "m", "--ext", "bmp"], "no format 'bmp'"),
        (["--size", "m", "--expires", "soon"], "not a duration such as 90s"),
        (["--size", "m", "--expires", "1"], "not a duration"),
    ],
)
def test_url_says_what_is_wrong(options, words, glassplate):
    """In one line, with exit status 2."""
    result = glassplate("url", NEVER, *options)
    assert result.exit_code == 2
    assert words in result.stderr


def test_info_tells_the_state(glassplate, cluster, receipt):
    """Pending, then ready with its sizes; JSON has the same keys in each."""
    keys = {"reference", *PhotoStatus.__dataclass_fields__}
    assert keys >= {"volume", "photo", "version", "state", "reason", "info", "urls"}
    pending = glassplate("info", receipt.reference)
    assert pending.stdout.startswith(f"{receipt.reference} is pending")
    assert json.loads(glassplate("info", receipt.reference, "--json").stdout).keys() == keys
    cluster.make_one_size(receipt.reference)
    ready = json.loads(glassplate("info", receipt.reference, "--json").stdout)
    assert ready.keys() == keys
    assert ready["state"] == "ready"
    assert " t  http" in glassplate("info", receipt.reference).stdout


def test_info_says_why_not(glassplate, client, receipt):
    """Unknown, gone, or not a reference."""
    client.delete(receipt.reference)
    for reference, status, words in (
        (NEVER, 1, "Unknown photo"),
        (receipt.reference, 1, "The photo is gone"),
        (f"{receipt.volume}/{receipt.photo}", 2, "lacks the version"),
    ):
        result = glassplate("info", reference)
        assert (result.exit_code, result.stdout) == (status, "")
        assert words in result.stderr


def test_info_of_many_has_a_line_for_each(glassplate, client, cluster, receipt):
    """In the order asked for; one that cannot be had is told, and makes the exit status 1."""
    cluster.make_one_size(receipt.reference)
    both = glassplate("info", receipt.reference, receipt.reference)
    assert both.exit_code == 0
    assert both.stdout.splitlines() == [f"{receipt.reference} is ready"] * 2
    mixed = glassplate("info", "--json", receipt.reference, NEVER)
    assert mixed.exit_code == 1
    photos = json.loads(mixed.stdout)["photos"]
    assert [photo["reference"] for photo in photos] == [receipt.reference, NEVER]
    assert [photo["state"] for photo in photos] == ["ready", "unknown"]
    client.delete(receipt.reference)
    gone = glassplate("info", receipt.reference, NEVER).stdout
    assert gone.startswith(f"{receipt.reference} is gone: ")


def test_rm_deletes_when_told_so(glassplate, receipt):
    """With --yes nobody is asked; doing it again is harmless."""
    for _ in range(2):
        result = glassplate("rm", receipt.reference, "--yes")
        assert result.exit_code == 0
        assert result.stdout == f"{receipt.reference} is deleted\n"
    assert glassplate("info", receipt.reference).exit_code == 1


def test_rm_goes_on_after_one_that_fails(glassplate, receipt):
    """JSON says what became of each."""
    result = glassplate("rm", NEVER, f"{receipt.volume}/{receipt.photo}", "--yes", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document.keys() == {"deleted", "failed"}
    deleted_keys = {"reference", "volume", "photo", "version", "copies", "pending_mirrors"}
    assert document["deleted"][0].keys() == deleted_keys | {"purged", "purge_pending"}
    assert document["failed"][0].keys() == {"reference", "error", "message", "status"}


def test_rm_deletes_nothing_when_one_reference_is_none(glassplate, receipt):
    """A slip of the fingers is found before anything is gone."""
    result = glassplate("rm", receipt.reference, "oops", "--yes")
    assert result.exit_code == 2
    assert glassplate("info", receipt.reference).exit_code == 0


def test_rm_asks_nobody_who_is_not_there(glassplate, receipt):
    """Without a terminal, --yes has to be said."""
    result = glassplate("rm", receipt.reference)
    assert result.exit_code == 2
    assert "say --yes" in result.stderr


def test_rm_asks_at_a_terminal(at_terminal, glassplate, receipt):
    """It says what dies and what can be brought back; no is no, and yes is yes."""
    shown, status = at_terminal("rm", receipt.reference, typed="n\n")
    assert status == 1
    assert f"version {receipt.version}" in shown
    assert "brought back as a new photo" in shown
    assert glassplate("info", receipt.reference).exit_code == 0
    shown, status = at_terminal("rm", receipt.reference, typed="y\n")
    assert status == 0
    assert "is deleted" in shown


def test_commands_work_together(program, environment, photo_file, tmp_path):
    """As their own processes, as a script would: upload, sign, download, compare."""

    def run(*arguments):
        command = [str(program), *map(str, arguments)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    reference = json.loads(run("put", photo_file, "--json"))["photos"][0]["reference"]
    url = run("url", reference, "--size", "o", "--ext", "jpg").strip()
    run("get", url, "-o", tmp_path / "back.jpg")
    assert (tmp_path / "back.jpg").read_bytes() == photo_file.read_bytes()
