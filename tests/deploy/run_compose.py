"""Runs compose.yaml with podman: build, start, upload, loss of a colo, reads, growth.

make compose-test

Containers, networks, and volumes are the ones of the file. Only the published ports differ, so that
it can run beside a cluster. The file and `deploy` are a copy with its own secrets. It needs root.
It removes everything at the end except the images, which make the next run faster.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from PIL import Image

from storagemaster.mirrors.mirroring import COPIES_MIN
from tests.free_ports import free_port
from volumes.config.cluster_file import load_cluster

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "glassplate-drill"
# By default podman raises limits, which root cannot do in a container or a small VM.
ENGINE_SETTINGS = """[containers]
default_ulimits = ["nofile=16384:16384", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""
COLO = "east"
ONE_SHOTS = ("owner", "init", "init-bucket")
# Lists the names of a volume's files in a node's bucket, with S3 itself.
LIST_BUCKET = """
import boto3
from volumes.config.cluster_file import load_cluster
from pathlib import Path
node = load_cluster(Path("/etc/glassplate/cluster.toml")).nodes["{node}"]
s3 = boto3.client("s3", endpoint_url=node.endpoint, region_name=node.region)
pages = s3.get_paginator("list_objects_v2").paginate(
    Bucket=node.bucket.bucket, Prefix=node.bucket.key("{number}/")
)
for page in pages:
    for each in page.get("Contents", []):
        print(node.bucket.path(each["Key"]))
"""
HEALTHY_SECONDS_MAX = 120.0
SETTLED_SECONDS_MAX = 90.0

_T = TypeVar("_T")


class Failed(Exception):
    """The containers did not behave as expected."""


def main() -> int:
    """Run every step; return 1 if one fails."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="compose-") as folder:
        drill = Drill(Path(folder))
        try:
            drill.run()
        except (Failed, OSError, subprocess.CalledProcessError) as error:
            drill.show_logs()
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
        finally:
            drill.remove()
    print(f"All of it held, in {time.monotonic() - started:.0f} s.")
    return 0


class Drill:
    """A copy of the compose file, and the steps on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = folder / "containers.conf"
        settings.write_text(ENGINE_SETTINGS)
        os.environ["CONTAINERS_CONF"] = str(settings)
        shutil.copytree(
            ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("secrets")
        )
        text = (ROOT / "compose.yaml").read_text()
        self.ports: dict[str, int] = {}
        for name, service in yaml.safe_load(text)["services"].items():
            for published in service.get("ports", []):
                self.ports[name] = free_port()
                host, _, inside = published.split(":")
                text = text.replace(f'"{published}"', f'"{host}:{self.ports[name]}:{inside}"')
        (folder / "compose.yaml").write_text(text)
        self._read()

    def _read(self) -> None:
        """Read the current files."""
        self.cluster = load_cluster(self.folder / "deploy" / "cluster.toml")
        self.services: dict[str, Any] = {}
        for file in self._files():
            for name, service in yaml.safe_load(file.read_text())["services"].items():
                self.services[name] = service | self.services.get(name, {})
        self.stays = [
            name
            for name, service in self.services.items()
            if name not in ONE_SHOTS and "profiles" not in service
        ]

    def _files(self) -> list[Path]:
        files = [self.folder / name for name in ("compose.yaml", "compose.override.yaml")]
        return [file for file in files if file.exists()]

    def run(self) -> None:
        """Run every step, and print it first."""
        self.remove()
        step("Building images")
        self._build()
        step("Making secrets and keys, marking disks and the bucket, writing the edges' configs")
        run(str(self.folder / "deploy" / "make-secrets.sh"))
        for name in ONE_SHOTS[:-1]:
            self._run_once(name)
        self._compose("up", "--detach", "--no-deps", "s3")
        self._wait_until_healthy(["s3"])
        self._run_once("init-bucket")
        step(f"Starting {len(self.stays)} services, and waiting until they are healthy")
        self._compose("up", "--detach", "--no-deps", *self.stays)
        self._wait_until_healthy(self.stays)
        step("Looking at how contained they are")
        for name in self.stays:
            self._check_contained(name)
        step("Uploading by one colo, reading by every edge")
        self._upload_and_read("east-master", durability="mirrored", edges=list(self.cluster.edges))
        step(f"Stopping everything of {COLO}, reading and uploading on")
        self._lose_a_colo()
        step("Running twice as many workers")
        self._compose("up", "--detach", "--no-deps", "--scale", "west-worker=2", "west-worker")
        count = len(self._containers("west-worker"))
        if count != 2:
            raise Failed(f"there are {count} containers of west-worker")
        step("Running half as many storage nodes again, and reading and uploading on")
        self._add_nodes()

    def _run_once(self, name: str) -> None:
        self._compose("run", "--rm", "--no-deps", name)

    def _add_nodes(self) -> None:
        """Add a third node per colo: new volumes accept photos, and existing photos stay."""
        before = self._upload_and_read("east-master", durability="mirrored", edges=[])
        photo = self._last_photo
        run(str(self.folder / "deploy" / "scale-nodes.sh"), "3")
        known = set(self.cluster.volumes)
        self._read()
        for name in ONE_SHOTS[:-1]:
            self._run_once(name)
        self._compose("up", "--detach", "--no-deps", "--force-recreate", *self.stays)
        self._wait_until_healthy(self.stays)
        for edge in self.cluster.edges:
            self._check_bytes(edge, before, photo)
        within(SETTLED_SECONDS_MAX, self._check_no_hints)
        for volume in sorted(set(self.cluster.volumes) - known):
            edges = list(self.cluster.edges)
            self._upload_and_read("west-master", durability="mirrored", edges=edges, volume=volume)
        within(SETTLED_SECONDS_MAX, self._check_equal_mirrors)

    def remove(self) -> None:
        """Remove containers, networks, and volumes."""
        # podman-compose does not remove containers with a number above the current scale.
        label = f"label=com.docker.compose.project={PROJECT}"
        left = podman("ps", "--all", "--quiet", "--filter", label).split()
        if left:
            podman("rm", "--force", "--time", "5", *left, check=False)
        self._compose("down", "--volumes", "--timeout", "10", check=False)

    def show_logs(self) -> None:
        """Print the last output of the services."""
        for name in self.stays:
            for container in self._containers(name, everything=True):
                print(f"--- {name}", file=sys.stderr, flush=True)
                subprocess.run(
                    ["podman", "logs", "--tail", "5", container], stdout=sys.stderr, check=False
                )

    def _build(self) -> None:
        for service in self.services.values():
            if "build" in service:
                build = service["build"]
                context = ROOT / build["context"]
                podman(
                    *("build", "--quiet", "--network", "host", "--tag", service["image"]),
                    *("--file", str(context / build["dockerfile"]), str(context)),
                )

    def _upload_and_read(
        self, master: str, *, durability: str = "", edges: Sequence[str], volume: int = 0
    ) -> str:
        """Upload a photo, and read it from these edges; return the original's URL.

        Without a demanded durability, the receipt must say where the two copies really are.
        """
        token = self._command(
            "token", "create", "--scope", "upload", "--scope", "read", "--scope", "original"
        ).strip()
        photo = render_photo()
        request = urllib.request.Request(
            self._url(master, f"/photos?volume={volume}" if volume else "/photos"),
            data=photo,
            headers={"Authorization": f"Bearer {token}"},
        )
        receipt = json.loads(within(30, lambda: read_body(request)))
        colos = {copy["colo"] for copy in receipt["copies"]}
        durability = durability or ("mirrored" if len(colos) > 1 else "degraded")
        if receipt["durability"] != durability or len(receipt["copies"]) < COPIES_MIN:
            raise Failed(f"an upload is {receipt['durability']}, not {durability}: {receipt}")
        paths = {
            size: url.removeprefix(self.cluster.public_url) for size, url in receipt["urls"].items()
        }
        for edge in edges:
            self._check_bytes(edge, paths["o"], photo)
            small = within(SETTLED_SECONDS_MAX, lambda e=edge: read_body(self._url(e, paths["s"])))
            if Image.open(io.BytesIO(small)).width != 75:
                raise Failed(f"{edge} has something else as the smallest size")
        self._last_photo = photo
        return paths["o"]

    def _lose_a_colo(self) -> None:
        own = [name for name in self.stays if name.startswith(f"{COLO}-")]
        other = [id_ for id_, edge in self.cluster.edges.items() if edge.colo != COLO]
        before = self._upload_and_read("west-master", durability="mirrored", edges=other)
        photo = self._last_photo
        self._compose("stop", "--timeout", "20", *own)
        for edge in other:
            self._check_bytes(edge, before, photo)
        # The bucket's colo takes the second copy, unless the bucket is slow.
        during = self._upload_and_read("west-master", edges=other)
        photo = self._last_photo
        self._compose("start", *own)
        self._wait_until_healthy(own)
        within(SETTLED_SECONDS_MAX, self._check_no_hints)
        for edge in self.cluster.edges:
            self._check_bytes(edge, during, photo)
        within(SETTLED_SECONDS_MAX, self._check_equal_mirrors)

    def _check_bytes(self, edge: str, path: str, photo: bytes) -> None:
        if within(30, lambda: read_body(self._url(edge, path))) != photo:
            raise Failed(f"{edge} has other bytes at {path}")

    def _check_no_hints(self) -> None:
        status = json.loads(self._command("status", "--json"))
        down = [node["id"] for node in status["nodes"] if not node["up"]]
        if down or status["pending_hints"]:
            raise Failed(f"{status['pending_hints']} hints are pending; down: {down}")

    def _check_equal_mirrors(self) -> None:
        """Check that the mirrors of every volume list the same files."""
        for number, volume in self.cluster.volumes.items():
            listings = {node: self._names_on(node, number) for node in volume.mirrors}
            if len({tuple(names) for names in listings.values()}) > 1:
                raise Failed(f"mirrors of volume {number} differ: {listings}")

    def _names_on(self, node: str, number: int) -> list[str]:
        """Return the files of a volume on a node, from its disk or bucket."""
        known = self.cluster.nodes[node]
        if known.bucket is None:
            output = self._in(node, f"cd {known.store} && find {number} -type f")
        else:
            script = LIST_BUCKET.format(node=node, number=number)
            output = self._in(node, f"python - <<'END'\n{script}\nEND")
        return sorted(
            name for name in output.split() if not name.rpartition("/")[2].startswith(".")
        )

    def _check_contained(self, name: str) -> None:
        container = self._containers(name)[0]
        (seen,) = json.loads(podman("inspect", container))
        host, user = seen["HostConfig"], self._in(name, "id -u").strip()
        problems = [
            (user == "0", "it runs as root"),
            (not host["ReadonlyRootfs"], "its root file system can be written"),
            (not host["Memory"] or not host["PidsLimit"], "nothing limits it"),
            (bool(seen["EffectiveCaps"]), f"it may {seen['EffectiveCaps']}"),
        ]
        found = [words for is_so, words in problems if is_so]
        if found:
            raise Failed(f"{name}: {'; '.join(found)}")

    def _wait_until_healthy(self, names: Sequence[str]) -> None:
        for name in names:

            def check(name: str = name) -> None:
                containers = self._containers(name)
                if not containers:
                    raise Failed(f"{name} does not run")
                for container in containers:
                    podman("healthcheck", "run", container)

            within(HEALTHY_SECONDS_MAX, check)

    def _containers(self, name: str, *, everything: bool = False) -> list[str]:
        """Return the ids of a service's containers: running ones, or all."""
        wanted = (
            *("--filter", f"label=com.docker.compose.project={PROJECT}"),
            *("--filter", f"label=com.docker.compose.service={name}"),
        )
        return podman("ps", "--quiet", *wanted, *(("--all",) if everything else ())).split()

    def _in(self, name: str, script: str) -> str:
        container = self._containers(name)[0]
        return within(20, lambda: podman("exec", container, "sh", "-c", script))

    def _command(self, *arguments: str) -> str:
        """Return the output of the command line."""
        return self._compose("run", "--rm", "-T", "--no-deps", "glassplate", *arguments)

    def _url(self, name: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def _compose(self, *arguments: str, check: bool = True) -> str:
        program = Path(sys.executable).with_name("podman-compose")
        profile = ("--profile", "command-line")  # docker compose needs no word of it to `run`
        files = [part for file in self._files() for part in ("-f", str(file))]
        return run(str(program), "-p", PROJECT, *profile, *files, *arguments, check=check)


def step(words: str) -> None:
    """Print the next step."""
    print(words, flush=True)


def podman(*arguments: str, check: bool = True) -> str:
    """Run podman; return its output."""
    return run("podman", *arguments, check=check)


def run(*command: str, check: bool = True) -> str:
    """Run a program; return its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if check and done.returncode:
        output = (done.stderr or done.stdout).strip()[-2000:]
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{output}")
    return done.stdout


def read_body(request: str | urllib.request.Request) -> bytes:
    """Return the body of a successful response."""
    with urllib.request.urlopen(request, timeout=10) as response:
        body: bytes = response.read()
        return body


def within(seconds: float, attempt: Callable[[], _T]) -> _T:
    """Retry until the attempt succeeds or the time is over; return its result."""
    ends = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except (Failed, OSError):
            if time.monotonic() > ends:
                raise
            time.sleep(0.5)


def render_photo() -> bytes:
    """Return a small unique photo."""
    buffer = io.BytesIO()
    shade = Image.effect_noise((320, 200), 60)
    Image.merge("RGB", (shade, shade, shade)).save(buffer, "JPEG")
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
