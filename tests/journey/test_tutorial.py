"""docs/tutorial.md: every command works, in its order, on a cluster of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT, blocks, read_page
from tests.journey.running_cluster import start_cluster, stop_cluster

PAGE = read_page("docs/tutorial.md")


def test_the_tutorial_works(tmp_path):
    """From the first photo to the doctor; what the reader keys in runs as one script."""
    cluster = start_cluster(tmp_path / "data")
    try:
        script = "set -eu\n" + "\n".join(blocks(PAGE, "sh"))
        environment = {
            **os.environ,
            "GLASSPLATE_CLUSTER": str(cluster.data / "cluster.toml"),
            "SAMPLES": str(ROOT / "storagemaster" / "console" / "sample_photos"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-c", script],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert (tmp_path / "shared.jpg").read_bytes().startswith(b"\xff\xd8")
    finally:
        assert stop_cluster(cluster) == 0


def test_its_drill_exists():
    """The scenario of the last step is one of the catalogue."""
    from drill.scenarios.scenarios import SCENARIOS

    (name,) = re.findall(r"glassplate drill ([a-z-]+)", PAGE)
    assert name in SCENARIOS
