"""The programs of `examples/`, run against a real cluster."""

import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from permission_urls import Verifier, load_keys
from permission_urls.errors import Expired
from tests.glassplate.live_cluster import jpeg
from volumes.sizes import size_classes

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name, *arguments):
    """Run an example as a user would."""
    argv = [sys.executable, EXAMPLES / name, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(name="folder")
def _folder(tmp_path, seeds):
    """Return a folder of two photos."""
    for name in ("cat.jpg", "dog.jpg"):
        (tmp_path / name).write_bytes(jpeg(next(seeds), width=600, height=400))
    return tmp_path


def test_a_folder_is_uploaded_once(cluster, folder):
    """A second run prints the same references, and an invalid file does not stop the others."""
    first = run("upload_folder.py", cluster.config, folder)
    assert first.returncode == 0, first.stderr
    (folder / "notes.txt").write_text("text\n" * 100)
    second = run("upload_folder.py", cluster.config, folder)
    assert sorted(second.stdout.splitlines()) == sorted(first.stdout.splitlines())
    assert second.returncode == 1
    assert "notes.txt: " in second.stderr
    names = {line.split()[1] for line in first.stdout.splitlines()}
    assert names == {"cat.jpg", "dog.jpg"}


def test_urls_of_a_gallery_expire(cluster):
    """Each URL on the page is valid now, names its photo, and is expired two hours later."""
    references = ["1/01jd3x8m2c9qp4k7/3fz8qd", "2/01jd3x8m2c9qp4k8/3fz8qe"]
    page = run("write_gallery.py", cluster.config, *references)
    assert page.returncode == 0, page.stderr
    urls = re.findall(r'(?:href|src)="([^"]+)"', page.stdout)
    verifier = Verifier(
        load_keys(Path(cluster.cluster.keys_file)), size_classes(cluster.cluster.sizes)
    )
    opened = [verifier.verify(urlsplit(url).path, time.time()) for url in urls]
    assert [(each.photo, each.size) for each in opened] == [
        (reference.split("/")[1], size) for reference in references for size in "bq"
    ]
    for url in urls:
        with pytest.raises(Expired):
            verifier.verify(urlsplit(url).path, time.time() + 2 * 3600)
