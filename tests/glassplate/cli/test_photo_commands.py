"""`glassplate get`, `url`, `info` and `rm`, against a real cluster."""

import json
import subprocess

import pytest

from glassplate import PhotoStatus

NEVER = "3/01jd3x8m2c9qp4k7/3fz8qd"


@pytest.fixture(name="here")
def _here(tmp_path, monkeypatch):
    """Change to an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_get_writes_a_file_with_the_photos_name(glassplate, receipt, photo, here):
    """The name has no permission, and an existing file requires --force."""
    name = f"{receipt.photo}_{receipt.version}_o.jpg"
    result = glassplate("get", receipt.reference)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{name}\n", "")
    assert (here / name).read_bytes() == photo
    refused = glassplate("get", receipt.urls["o"])
    assert refused.exit_code == 1
    assert "exists already" in refused.stderr
    assert glassplate("get", receipt.urls["o"], "--force").exit_code == 0
    assert [path.name for path in here.iterdir()] == [name]


def test_list_has_a_line_for_each_photo(glassplate, client, cluster, photo):
    """As text, or as JSON; without --volume it lists every volume."""
    reference = client.put(photo, volume=3).reference
    listed = glassplate("list", "--volume", "3")
    assert (listed.exit_code, listed.stderr) == (0, "")
    assert reference in listed.stdout.splitlines()
    as_json = glassplate("list", "--volume", "3", "--json").stdout.splitlines()
    assert [json.loads(line)["reference"] for line in as_json] == listed.stdout.splitlines()
    assert set(listed.stdout.splitlines()) <= set(glassplate("list").stdout.splitlines())
    with cluster.without("west-2"):
        incomplete = glassplate("list", "--volume", "3")
    assert incomplete.exit_code == 1
    assert reference in incomplete.stdout
    assert "west-2 is unreachable: photos may be missing" in incomplete.stderr


def test_get_writes_to_the_output(glassplate, receipt, photo, here):
    """The output is a file, a directory, or stdout."""
    assert glassplate("get", receipt.reference, "-o", "cat.jpg").stdout == "cat.jpg\n"
    (here / "album").mkdir()
    stored = glassplate("get", receipt.reference, "-o", "album").stdout.strip()
    assert (here / stored).read_bytes() == photo
    assert glassplate("get", receipt.reference, "-o", "-").stdout_bytes == photo


def test_get_reports_the_reason(glassplate, receipt, here):
    """Unknown sizes, photos, and permissions have their own messages."""
    del here
    for arguments, status, words in (
        (["get", receipt.reference, "--size", "m"], 1, "this size is not made"),
        (["get", receipt.reference, "--size", "y"], 2, "unknown size 'y'"),
        (["get", NEVER], 1, "no mirror has photo"),
        (
            ["get", receipt.urls["o"].replace(".a.0.", ".a.1.")],
            1,
            "permission of the URL is invalid",
        ),
        (["get", "nonsense"], 2, "not VOLUME/PHOTO/VERSION"),
    ):
        result = glassplate(*arguments)
        assert result.exit_code == status
        assert words in result.stderr
        assert "Traceback" not in result.output


def test_url_is_signed_without_a_cluster(glassplate, cluster, client, receipt):
    """Each size has a line, and the URL equals that of the receipt."""
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
        (["--size", "y"], "unknown size 'y'; known sizes: s, q"),
        (["--size", "o"], "an original requires its format"),
        (["--size", "m", "--ext", "bmp"], "unknown format 'bmp'"),
        (["--size", "m", "--expires", "soon"], "not a duration such as 90s"),
        (["--size", "m", "--expires", "1"], "not a duration"),
    ],
)
def test_url_rejects_invalid_options(options, words, glassplate):
    """The message names the option, and the exit status is 2."""
    result = glassplate("url", NEVER, *options)
    assert result.exit_code == 2
    assert words in result.stderr


def test_info_shows_the_state(glassplate, cluster, receipt):
    """A photo is pending, then ready with its sizes. The JSON keys are the same."""
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


def test_info_reports_the_reason(glassplate, client, receipt):
    """Unknown and deleted photos, and invalid references, have their own messages."""
    client.delete(receipt.reference)
    for reference, status, words in (
        (NEVER, 1, "Unknown photo"),
        (receipt.reference, 1, "Photo deleted"),
        (f"{receipt.volume}/{receipt.photo}", 2, "lacks the version"),
    ):
        result = glassplate("info", reference)
        assert (result.exit_code, result.stdout) == (status, "")
        assert words in result.stderr


def test_info_of_many_has_a_line_for_each(glassplate, client, cluster, receipt):
    """The order is that of the arguments, and an unknown photo makes the exit status 1."""
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


def test_rm_deletes_without_a_prompt(glassplate, receipt):
    """With --yes, rm does not prompt, and a repetition succeeds."""
    for _ in range(2):
        result = glassplate("rm", receipt.reference, "--yes")
        assert result.exit_code == 0
        assert result.stdout == f"{receipt.reference} is deleted\n"
    assert glassplate("info", receipt.reference).exit_code == 1


def test_rm_continues_after_a_failure(glassplate, receipt):
    """The JSON document has the outcome of each reference."""
    result = glassplate("rm", NEVER, f"{receipt.volume}/{receipt.photo}", "--yes", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document.keys() == {"deleted", "failed"}
    deleted_keys = {"reference", "volume", "photo", "version", "copies", "pending_mirrors"}
    assert document["deleted"][0].keys() == deleted_keys | {"purged", "purge_pending"}
    assert document["failed"][0].keys() == {"reference", "error", "message", "status"}


def test_rm_deletes_nothing_if_a_reference_is_invalid(glassplate, receipt):
    """All references are parsed before the first deletion."""
    result = glassplate("rm", receipt.reference, "oops", "--yes")
    assert result.exit_code == 2
    assert glassplate("info", receipt.reference).exit_code == 0


def test_rm_requires_yes_without_a_terminal(glassplate, receipt):
    """Without a terminal, rm requires --yes."""
    result = glassplate("rm", receipt.reference)
    assert result.exit_code == 2
    assert "use --yes" in result.stderr


def test_rm_prompts_at_a_terminal(at_terminal, glassplate, receipt):
    """The prompt names the photos and what can be restored, and only "y" deletes."""
    shown, status = at_terminal("rm", receipt.reference, typed="n\n")
    assert status == 1
    assert f"version {receipt.version}" in shown
    assert "restored as a new photo" in shown
    assert "Delete 1 photo? [y/N]" in shown
    assert glassplate("info", receipt.reference).exit_code == 0
    shown, status = at_terminal("rm", receipt.reference, typed="y\n")
    assert status == 0
    assert "is deleted" in shown


def test_commands_work_together(program, environment, photo_file, tmp_path):
    """A script can upload, sign, and download a photo with separate processes."""

    def run(*arguments):
        command = [str(program), *map(str, arguments)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    reference = json.loads(run("put", photo_file, "--json"))["photos"][0]["reference"]
    url = run("url", reference, "--size", "o", "--ext", "jpg").strip()
    run("get", url, "-o", tmp_path / "back.jpg")
    assert (tmp_path / "back.jpg").read_bytes() == photo_file.read_bytes()
