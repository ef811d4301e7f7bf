"""Runs compose.yaml without a container engine: a process per service, a loopback address per host.

Paths become subdirectories of a temporary directory, host names become addresses, and the programs
of the images become the ones of this machine. Commands, scripts, ports, and configs are the real
ones. Not covered: images, networks, volumes, users, and limits.
"""

import contextlib
import getpass
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.s3_servers import ports_with_room_for_grpc

FOLDERS = ("configs", "edges/varnish", "etc/glassplate", "run/secrets")
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 60.0
S3_PORT = 8333
# Directories of Debian's servers, which are not in every user's PATH.
SERVER_PATH = "/usr/local/sbin:/usr/sbin:/sbin"

_MOVED = re.compile(
    r"(?<![\w./])/(keys|certificates|authority|valkey|memcached|configs|edges|nodes|bucket|etc/glassplate|run/secrets)\b"
)


class Site:
    """Services of a compose file, as processes below a directory."""

    def __init__(self, folder: Path, services: dict[str, Any], config: str) -> None:
        self.folder = folder
        self.services = services
        # Addresses of this process only, so that concurrent runs do not collide: 127.a.b.1, .2, ...
        number = os.getpid()
        prefix = f"127.{64 + number // 250 % 64}.{1 + number % 250}"
        self.addresses = {name: f"{prefix}.{i}" for i, name in enumerate(services, 1)}
        for name in (*FOLDERS, *_volumes_of(services["init"])):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "bin").mkdir()
        (folder / "bin" / "valkey-server").symlink_to(shutil.which("redis-server"))
        names = "|".join(map(re.escape, services))
        config = re.sub(rf"\b({names})(?=:\d)", lambda match: self.addresses[match[1]], config)
        self.s3_ports = ports_with_room_for_grpc(4)
        config = config.replace(f"{self.addresses['s3']}:{S3_PORT}", self.s3_address)
        (folder / "etc/glassplate/cluster.toml").write_text(self.moved(config))
        self.environment = {
            **os.environ,
            "GLASSPLATE_CLUSTER": str(folder / "etc/glassplate/cluster.toml"),
            "PATH": os.pathsep.join(
                (f"{folder}/bin", f"{Path(sys.executable).parent}", os.environ["PATH"], SERVER_PATH)
            ),
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def moved(self, text: str) -> str:
        """Return a container's text with this machine's paths, and with $$ unescaped."""
        return _MOVED.sub(lambda match: f"{self.folder}/{match[1]}", text).replace("$$", "$")

    @property
    def s3_address(self) -> str:
        """Return the address of the S3 server. SeaweedFS also uses a second port."""
        return f"{self.addresses['s3']}:{self.s3_ports[-1]}"

    def run_once(self, name: str) -> str:
        """Run a one-shot service; return its output."""
        command = [self.moved(part) for part in self.services[name]["command"]]
        done = subprocess.run(
            command, env=self._environment_of(name), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str) -> None:
        """Start a service."""
        command = [self.moved(part) for part in self.services[name]["command"]]
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                command + self._instead_of_container(name),
                env=self._environment_of(name),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_until_healthy(self, name: str) -> None:
        """Wait until the health check of a service succeeds."""
        test = self.services[name]["healthcheck"]["test"]
        assert test[:3] == ["CMD", "python", "-c"]
        script = test[3].replace("127.0.0.1", self.addresses[name])
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            done = subprocess.run(
                [sys.executable, "-c", script],
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                return
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{name} is not healthy: {done.stderr}\n{self.log(name)}")

    def log(self, name: str) -> str:
        """Return the output of a service."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        """Stop all services in reverse order; each must exit after SIGTERM."""
        late = []
        for name, process in reversed(self._processes.items()):
            # SeaweedFS takes half a minute to exit.
            process.kill() if name == "s3" else process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                late.append(name)
        if late:
            pytest.fail(f"these services ignored SIGTERM: {', '.join(late)}\n{self.log(late[0])}")

    def _environment_of(self, name: str) -> dict[str, str]:
        """Return the environment of a service."""
        own = self.services[name].get("environment", {})
        return {**self.environment, **{name: self.moved(value) for name, value in own.items()}}

    def _instead_of_container(self, name: str) -> list[str]:
        """Return options that replace what the container provides."""
        if name == "valkey":
            return ["--bind", self.addresses[name]]
        if name == "memcached":
            return ["-l", self.addresses[name], "-u", getpass.getuser()]
        if name == "s3":
            address, ports = self.addresses[name], self.s3_ports
            parts = zip(("master", "volume", "filer", "s3"), ports, strict=True)
            return [
                *(f"-{part}.port={port}" for part, port in parts),
                *(f"-ip={address}", f"-ip.bind={address}", f"-s3.ip.bind={address}"),
            ]
        return []


def _volumes_of(service: dict[str, Any]) -> Iterator[str]:
    """Return the volumes of a service below the root."""
    for mount in service["volumes"]:
        source, target, *_ = mount.split(":")
        if not source.startswith("."):
            yield target.removeprefix("/")


@contextlib.contextmanager
def site_of(services: dict[str, Any], config: str) -> Iterator[Site]:
    """Prepare a site until the block exits, in a directory that workers of any user can read."""
    folder = Path(tempfile.mkdtemp(prefix="compose-"))
    folder.chmod(0o755)
    site = Site(folder, services, config)
    try:
        yield site
    finally:
        site.stop()
        shutil.rmtree(folder)
