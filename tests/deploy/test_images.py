"""Images: their content and build steps, without a container engine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

VENV = "/opt/glassplate"


@pytest.fixture(name="dockerfile", scope="module")
def _dockerfile(root):
    """Return the project's Dockerfile, with continued lines joined."""
    return (root / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")


@pytest.fixture(name="packages", scope="module")
def _packages(root):
    """Return the packages of the project, and their directories."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    return {
        name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]
    }


@pytest.fixture(name="context", scope="module")
def _context(root, tmp_path_factory):
    """Copy the build context without the ignored files."""
    rules = (root / ".dockerignore").read_text().splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    assert rules[-1] == "**/__pycache__"
    folder = tmp_path_factory.mktemp("context")
    for rule in rules[1:-1]:
        assert rule.startswith("!"), "first nothing is let in, then this and that"
        source = root / rule[1:]
        target = folder / rule[1:]
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    return folder


@pytest.fixture(name="installed", scope="module")
def _installed(dockerfile, context, tmp_path_factory):
    """Build the virtual environment of the first stage."""
    venv = tmp_path_factory.mktemp("opt") / "glassplate"
    stage = dockerfile.split("\nFROM ")[1]
    [step] = re.findall(r"^RUN (.+)$", stage, re.MULTILINE)
    command = step.replace(VENV, str(venv)).replace("/src", str(context))
    run("sh", "-ec", command, env={**os.environ, "PYTHON": sys.executable})
    return venv


def run(*command, **options):
    """Run a command that must succeed; return its output."""
    done = subprocess.run(
        [str(part) for part in command], check=False, capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_image_has_the_packages_and_no_more(context, packages):
    """The build context has no keys, photos, tests, or virtual environment."""
    files = {path.relative_to(context) for path in context.rglob("*") if path.is_file()}
    assert {str(path) for path in files if path.parts[0] not in packages} == {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "deploy/install-packages.sh",
        "deploy/progress.sh",
        "requirements/server.lock",
        "requirements/optional.lock",
    }
    assert {path.parts[0] for path in files} >= packages


def test_all_programs_run_from_what_is_installed(installed, tmp_path):
    """The command line and the services run without the sources."""
    assert "proxy-config" in run(installed / "bin" / "glassplate", "--help", cwd=tmp_path)
    for service in ("storagenode", "storagemaster", "imageworker"):
        shown = run(installed / "bin" / "python", "-m", service, "--help", cwd=tmp_path)
        assert "--config" in shown


def test_templates_are_installed(installed, root, tmp_path):
    """The image can render configs of edges."""
    config = (root / "deploy" / "cluster.toml").read_text().replace("/keys/", f"{tmp_path}/")
    (tmp_path / "cluster.toml").write_text(config)
    environment = {**os.environ, "GLASSPLATE_CLUSTER": str(tmp_path / "cluster.toml")}
    program = installed / "bin" / "glassplate"
    run(program, "keys", "init", env=environment, cwd=tmp_path)
    for kind in ("nginx", "varnish"):
        options = ["--colo", "east", "--purge-network", "10.0.0.0/8"]
        shown = run(program, "proxy-config", kind, *options, env=environment, cwd=tmp_path)
        assert "in colo east, rendered from the cluster config" in shown


def test_both_stages_have_the_same_python(dockerfile, root):
    """Both stages use the same supported Python."""
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    python = re.fullmatch(r"python:(3\.\d+)-slim-bookworm", bases[0])
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={python[1]}"


def test_the_image_knows_where_its_config_is(dockerfile, services):
    """The command line in a container finds the mounted config."""
    place = re.search(r"GLASSPLATE_CLUSTER=(\S+)", dockerfile)[1]
    for name in ("init", "glassplate", "east-master", "east-worker"):
        targets = [mount.split(":")[1] for mount in services[name]["volumes"]]
        assert place in targets
    for service in services.values():
        command = service.get("command", [])
        if "--config" in command:
            assert command[command.index("--config") + 1] == place


@pytest.mark.parametrize(
    ("server", "packages"),
    [
        ("nginx", {"nginx", "libnginx-mod-http-lua"}),
        ("varnish", {"varnish", "varnish-vmod-digest"}),
    ],
)
def test_servers_have_the_packages_that_the_project_installs(root, server, packages):
    """The images install the packages of the project's script, and the health check's program."""
    text = (root / "deploy" / f"{server}.Dockerfile").read_text().replace("\\\n", " ")
    installed = re.search(r"--no-install-recommends ([a-z -]+?) +&&", text)[1].split()
    assert set(installed) == packages | {"curl"}
    script = (root / "proxy_config" / "install-servers.sh").read_text()
    for package in packages:
        assert re.search(rf"\b{package}\b", script)


def test_varnish_can_write_where_it_runs(root, services):
    """The image has the mount point of the tmpfs with its mode."""
    text = (root / "deploy" / "varnish.Dockerfile").read_text()
    places = {place.split(":")[0]: place for place in services["varnish"]["tmpfs"]}
    for folder in re.findall(r"^RUN install --directory --mode 1777 (\S+)$", text, re.MULTILINE):
        assert "mode=1777" in places[folder]
        assert "exec" in places[folder]
        assert f"--run-dir {folder}" in services["init"]["command"][-1]
        break
    else:
        pytest.fail("the image makes no folder to run in")
