"""`glassplate put`: uploads, reports of failed files, and the exit status."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.cells import cell_len
from rich.console import Console

from glassplate.cli.commands.receipt_tables import receipts_table, url_lines
from glassplate.cli.commands.uploading import Uploaded
from tests.free_ports import free_ports
from tests.glassplate.faulty_servers import forwards, misbehaving_master, responds_too_late
from tests.glassplate.live_cluster import jpeg

RECEIPT_KEYS = {
    "file",
    "reference",
    "volume",
    "photo",
    "version",
    "format",
    "bytes",
    "sha256",
    "width",
    "height",
    "stored_width",
    "stored_height",
    "durability",
    "copies",
    "pending_mirrors",
    "urls",
    "status",
    "state",
    "reason",
    "ref",
    "stripped",
}
FAILURE_KEYS = {"file", "error", "message", "status", "type", "idempotency_key"}


def test_one_photo_shows_its_receipt_and_every_url(glassplate, photo_file):
    """The output has the receipt and one URL per size."""
    result = glassplate("put", photo_file)
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].split()[:2] == ["File", "Reference"]
    assert "mirrored" in lines[1]
    assert [line.split()[0] for line in lines[2:]] == ["s", "q", "t", "m", "x", "o"]


def test_json_has_these_keys(glassplate, photo_file, tmp_path):
    """Programs read these keys, so they must not change by accident."""
    notes = tmp_path / "notes.txt"
    notes.write_text("this is text " * 20)
    result = glassplate("put", photo_file, notes, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document.keys() == {"photos", "failed", "skipped"}
    (uploaded,) = document["photos"]
    (failed,) = document["failed"]
    assert uploaded.keys() == RECEIPT_KEYS
    assert uploaded["copies"][0].keys() == {"node", "colo", "hint_for"}
    assert failed.keys() == FAILURE_KEYS
    assert (failed["error"], failed["status"]) == ("unsupported-format", 415)


def test_file_that_fails_does_not_stop_others(glassplate, photo_file, tmp_path):
    """Each failure has its reason, and the summary counts them."""
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "notes.txt").write_text("this is text " * 20)
    (tmp_path / "folder").mkdir()
    names = ["empty.jpg", "notes.txt", "missing.jpg", "folder"]
    result = glassplate("put", *(tmp_path / name for name in names), photo_file)
    assert result.exit_code == 1
    assert "mirrored" in result.stdout
    for words in (
        "empty.jpg is empty: nothing to upload",
        "notes.txt was not uploaded: Unsupported format",
        "missing.jpg: No such file or directory",
        "folder is a directory; use -r to upload the photos in it",
        "1 uploaded, 4 failed",
    ):
        assert words in result.stderr
    assert "Traceback" not in result.output


def test_directory_is_walked_and_other_files_are_counted(glassplate, tmp_path, seeds):
    """Photos are uploaded in order of their names, and other files are counted."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/2.jpg", "a/b/1.JPEG", "a/notes.txt", "a/.hidden.jpg"):
        (tmp_path / name).write_bytes(jpeg(next(seeds)))
    result = glassplate("put", "-r", tmp_path / "a", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    names = [each["file"].removeprefix(f"{tmp_path}/") for each in document["photos"]]
    assert names == ["a/2.jpg", "a/b/1.JPEG"]
    assert len(document["skipped"]) == 2
    assert "2 uploaded, 2 skipped" in result.stderr
    shown = glassplate("put", "-r", tmp_path / "a").stdout.splitlines()
    assert [line.strip().removeprefix(f"{tmp_path}/")[:12] for line in shown[-4::2]] == names
    assert [line.split()[0] for line in shown[-3::2]] == ["m", "m"]


def test_key_makes_two_uploads_one_photo(glassplate, photo_file):
    """An idempotency key identifies one photo, so several files are rejected."""
    references = {
        json.loads(
            glassplate("put", photo_file, "--idempotency-key", f"{photo_file}", "--json").stdout
        )["photos"][0]["reference"]
        for _ in range(2)
    }
    assert len(references) == 1
    result = glassplate("put", photo_file, photo_file.with_name("b.jpg"), "--idempotency-key", "k")
    assert result.exit_code == 2
    assert "--idempotency-key identifies one photo" in result.stderr


def test_a_known_photo_is_one_photo(glassplate, photo_file):
    """By default, each upload makes a photo; with --known, equal bytes are one."""
    references = [
        json.loads(glassplate("put", photo_file, "--json", *options).stdout)["photos"][0][
            "reference"
        ]
        for options in ([], [], ["--known"], ["--known"])
    ]
    assert len(set(references)) == 3
    assert references[2] == references[3]
    refused = glassplate("put", photo_file, "--known", "--volume", "1")
    assert refused.exit_code == 2
    assert "leave out" in refused.stderr


def test_waiting_ends_after_the_timeout(glassplate, photo_file):
    """The photo is stored, its sizes are pending, and the exit status is 1."""
    result = glassplate("put", photo_file, "--wait", "--timeout", "0.2", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["photos"][0]["state"] == "pending"
    assert "is stored, but the sizes" in result.stderr


def test_waiting_ends_when_the_sizes_are_made(glassplate, cluster, photo_file):
    """A photo with sizes is ready at once."""
    key = ("put", photo_file, "--idempotency-key", f"wait {photo_file}", "--json")
    reference = json.loads(glassplate(*key).stdout)["photos"][0]["reference"]
    cluster.make_one_size(reference)
    result = glassplate(*key, "--wait")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["photos"][0]["state"] == "ready"


def test_degraded_upload_is_shown(glassplate, cluster, photo_file):
    """The table shows a degraded upload, and the mirror that a copy is a hint for."""
    with cluster.without("west-1", "west-2"):
        result = glassplate("put", photo_file)
    assert result.exit_code == 0
    assert "degraded" in result.stdout
    assert " for west-" in result.stdout


def test_strict_upload_is_two_colos(glassplate, photo_file):
    """The storagemaster receives the option."""
    assert "mirrored" in glassplate("put", photo_file, "--strict").stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--volume", "99"], "volume 99 is not in"), (["--volume", "0"], "1<=x<=65535")],
)
def test_volume_must_exist(options, words, glassplate, photo_file):
    """The cluster rejects an unknown volume, and the command line an invalid one."""
    result = glassplate("put", photo_file, *options)
    assert result.exit_code in {1, 2}
    assert words in result.stderr


def test_unreachable_cluster_ends_the_uploads(glassplate, photo_file, tmp_path):
    """Only the first upload is attempted, and the exit status is 3."""
    (port,) = free_ports(1)
    others = []
    for number in range(6):
        others.append(tmp_path / f"{number}.jpg")
        others[-1].write_bytes(photo_file.read_bytes())
    result = glassplate("--url", f"http://127.0.0.1:{port}", "put", photo_file, *others, "-j", "1")
    assert result.exit_code == 3
    assert "cannot connect: Connection refused" in result.stderr
    assert result.stderr.count("skipped: no storagemaster is reachable") == 6
    assert result.stderr.count("Start it with `glassplate up`") == 1
    assert "may be stored" not in result.stderr


def test_ctrl_c_loses_no_receipt(program, environment, cluster, tmp_path, seeds):
    """Completed uploads are shown, and interrupted ones differ from skipped ones."""
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for file in files:
        file.write_bytes(jpeg(next(seeds)))

    async def interrupt_the_second():
        async with misbehaving_master(cluster.masters[0], forwards, responds_too_late) as master:
            command = ["--url", master.url, "put", *map(str, files), "-j", "1", "--json"]
            process = await asyncio.create_subprocess_exec(
                program, *command, env=environment, stdout=PIPE, stderr=PIPE
            )
            for _ in range(2):
                await asyncio.wait_for(master.arrivals.get(), 60)
            process.send_signal(signal.SIGINT)
            stdout, stderr = await process.communicate()
            return process.returncode, json.loads(stdout), stderr.decode()

    status, document, stderr = asyncio.run(interrupt_the_second())
    assert status == 1
    assert [photo["file"] for photo in document["photos"]] == [str(files[0])]
    assert [failed["error"] for failed in document["failed"]] == ["not-attempted", "not-attempted"]
    assert "interrupted during the upload; the photo may be stored" in stderr
    assert "skipped: interrupted before the upload" in stderr
    assert "Traceback" not in stderr


def test_progress_is_shown_at_a_terminal(at_terminal, tmp_path, photo):
    """Bars show the photos and their bytes, and the receipts follow."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(photo + bytes(3_000_000))
    shown, status = at_terminal("put", tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert status == 0
    assert "2 photos" in shown
    assert "/6.0 MB" in shown
    assert "mirrored" in shown


def test_names_in_another_encoding_do_not_cost_the_receipts(cluster, tmp_path, photo):
    """A byte that is not UTF-8 is shown escaped, in a table, in JSON, and in an error."""
    name = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    missing = os.fsencode(tmp_path) + b"/gon\xe9.jpg"
    with open(name, "wb") as file:  # noqa: PTH123  pathlib decodes the name
        file.write(photo)
    command = [sys.executable, "-m", "glassplate", "--cluster", str(cluster.config), "put"]
    environment = os.environ | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "COLUMNS": "400"}
    for options, shown in (([], b"caf\\udce9.jpg"), (["--json"], b"caf\\udce9.jpg")):
        result = subprocess.run(
            [*command, name, missing, *options], env=environment, capture_output=True, check=False
        )
        assert result.returncode == 1
        assert shown in result.stdout
        assert b"gon\\udce9.jpg: No such file" in result.stderr
        assert b"Traceback" not in result.stderr


def test_names_cannot_control_the_terminal(glassplate, tmp_path, photo_file):
    """Control characters of a name are shown, in receipts and in failures."""
    photo = photo_file.rename(tmp_path / "\x1b[31mred\x07.jpg")
    empty = tmp_path / "\x1b]0;title\x07.jpg"
    empty.touch()
    result = glassplate("put", photo, empty)
    assert "\x1b" not in result.stdout + result.stderr
    assert "\\x1b[31mred\\x07.jpg" in result.stdout
    assert "\\x1b]0;title\\x07.jpg is empty" in result.stderr


def uploaded(name, state):
    """Return a stored photo as the table of receipts gets it."""
    urls = {letter: f"http://photos/{name}_{letter}.jpg" for letter in "smo"}
    receipt = SimpleNamespace(urls=urls)
    return Uploaded(path=Path(f"{name}.jpg"), receipt=receipt, state=state)


def test_a_photo_whose_sizes_failed_has_only_the_url_of_its_original():
    """The URLs of sizes that will never exist are not shown."""
    assert list(url_lines([uploaded("a", "failed")])) == ["  o  http://photos/a_o.jpg"]
    assert len(list(url_lines([uploaded("a", "pending")]))) == 3


def test_the_urls_of_several_photos_are_shown_with_their_names():
    """Each has one URL: the largest web size, or the original without sizes."""
    assert list(url_lines([uploaded("a", "ready"), uploaded("b", "failed")])) == [
        "  a.jpg",
        "  m  http://photos/a_m.jpg",
        "  b.jpg",
        "  o  http://photos/b_o.jpg",
    ]


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_no_row_of_the_receipts_folds(columns):
    """The middle of a long name is left out, also of one whose letters are two columns wide."""
    names = ["a" * 60 + "-0001", "b" * 60 + "-0002", "c", "日" * 60 + "-0003"]
    receipt = SimpleNamespace(
        reference="65535/01jd3x8m2c9qp4k7/3fz8qd",
        width=11648,
        height=8736,
        bytes=120_400_000,
        durability="degraded",
        copies=[SimpleNamespace(node=node, hint_for=None) for node in ("east-1", "west-2")],
    )
    photos = [Uploaded(path=Path(f"{name}.jpg"), receipt=receipt) for name in names]
    shown = io.StringIO()
    console = Console(file=shown, width=columns, highlight=False, markup=False)
    console.print(receipts_table(photos, columns))
    lines = shown.getvalue().splitlines()
    assert len(lines) == 1 + len(photos)
    assert all(cell_len(line) <= columns for line in lines)
    for line, number in zip(lines[1:], ("1.jpg", "2.jpg", "c.jpg", ".jpg"), strict=True):
        assert line.split()[0].endswith(number)
        assert line.split()[1] == receipt.reference
        assert line.split()[-2:] == ["east-1,", "west-2"]
