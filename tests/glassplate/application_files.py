"""Application files for tests, exported by the command line."""

from click.testing import CliRunner

from glassplate.cli.main import main


def export_application(cluster, folder, *options, name="shop"):
    """Export the file of an application of a running cluster; return its path."""
    config = folder / "cluster.toml"
    config.write_text(cluster.config.read_text() + f"\n[applications.{name}]\n")
    (folder / "keys.toml").unlink(missing_ok=True)
    (folder / "keys.toml").symlink_to(cluster.root / "keys.toml")
    path = folder / f"{name}.toml"
    path.touch(mode=0o600)
    command = ["--cluster", str(config), "application", "export", name, *options]
    path.write_text(CliRunner().invoke(main, command).stdout)
    return path
