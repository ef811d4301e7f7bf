"""The command line `glassplate`: which commands there are, and the options they share."""

from pathlib import Path

import click

from glassplate.cli.connection import Connection
from glassplate.cli.lazy_group import LazyCommand, LazyGroup, Section

DEFAULT_CLUSTER_PATH = Path("data/cluster.toml")

SECTIONS = (
    Section(
        "Photos",
        (
            LazyCommand("put", "glassplate.cli.commands.put:put", "Upload photos."),
            LazyCommand("url", "glassplate.cli.commands.url:url", "Sign the URL of a photo."),
            LazyCommand("get", "glassplate.cli.commands.get:get", "Download a photo."),
            LazyCommand(
                "info",
                "glassplate.cli.commands.info:info",
                "Show what is known of a photo, or of many at once.",
            ),
            LazyCommand("rm", "glassplate.cli.commands.rm:rm", "Delete photos, for ever."),
            LazyCommand(
                "undelete",
                "glassplate.cli.commands.undelete:undelete",
                "Bring deleted photos back.",
            ),
            LazyCommand(
                "revoke", "glassplate.cli.commands.revoke:revoke", "Invalidate all URLs of a photo."
            ),
        ),
    ),
    Section(
        "A cluster",
        (
            LazyCommand(
                "status", "glassplate.cli.commands.status:status", "Show the state of the cluster."
            ),
            LazyCommand(
                "diff", "glassplate.cli.commands.diff:diff", "Compare the mirrors of volumes."
            ),
            LazyCommand(
                "repair",
                "glassplate.cli.commands.repair:repair",
                "Make the mirrors of volumes equal.",
            ),
            LazyCommand(
                "volume",
                "glassplate.cli.commands.volume:volume",
                "Move large sizes to S3, and back.",
            ),
            LazyCommand(
                "restore",
                "glassplate.cli.commands.restore:restore",
                "Fill a node whose disk was lost.",
            ),
            LazyCommand(
                "scrub", "glassplate.cli.commands.scrub:scrub", "Show scrub progress of all nodes."
            ),
            LazyCommand("find", "glassplate.cli.commands.find:find", "Find a photo on all nodes."),
            LazyCommand(
                "explain",
                "glassplate.cli.commands.explain:explain",
                "Explain what a URL is answered.",
            ),
            LazyCommand("token", "glassplate.cli.commands.token:token", "Sign an API token."),
            LazyCommand(
                "node", "glassplate.cli.commands.node:node", "Prepare the disks of storage nodes."
            ),
            LazyCommand(
                "keys", "glassplate.cli.commands.keys:keys", "Make, list and rotate the keys."
            ),
            LazyCommand(
                "regenerate",
                "glassplate.cli.commands.regenerate:regenerate",
                "Regenerate sizes of photos.",
            ),
            LazyCommand(
                "proxy-config",
                "glassplate.cli.commands.proxy_config:proxy_config",
                "Write the config of an edge.",
            ),
        ),
    ),
    Section(
        "A cluster on this machine",
        (
            LazyCommand(
                "up",
                "glassplate.cli.commands.up:up",
                "Run a whole cluster on this machine, until Ctrl-C.",
            ),
            LazyCommand(
                "colo", "glassplate.cli.commands.colo:colo", "Stop and start a whole colo of it."
            ),
            LazyCommand(
                "drill",
                "glassplate.cli.commands.drill:drill",
                "Break a cluster on purpose, and check every promise.",
            ),
        ),
    ),
)


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    epilog="Exit status: 0 done; 1 something was not done; 2 wrong usage or config; "
    "3 the cluster cannot be reached.",
)
@click.option(
    "--cluster",
    "cluster_path",
    type=click.Path(path_type=Path),
    envvar="GLASSPLATE_CLUSTER",
    show_envvar=True,
    help=f"cluster.toml of the cluster.  [default: {DEFAULT_CLUSTER_PATH}]",
)
@click.option(
    "--url",
    "urls",
    multiple=True,
    envvar="GLASSPLATE_URL",
    show_envvar=True,
    help="A storagemaster's URL; may be given again.  [default: those in cluster.toml]",
)
@click.option(
    "--token",
    envvar="GLASSPLATE_TOKEN",
    show_envvar=True,
    help="An API token.  [default: signed on the spot, if the key file can be read]",
)
@click.version_option(package_name="glassplate", message="glassplate %(version)s")
@click.pass_context
def main(
    context: click.Context, cluster_path: Path | None, urls: tuple[str, ...], token: str | None
) -> None:
    r"""Store photos in two places at once, and serve them by URLs that carry their permission.

    These options stand before the command.

    \b
    Examples:
      glassplate put cat.jpg
      glassplate --cluster /etc/glassplate/cluster.toml status
      glassplate --url http://photos.example:8090 --token "$TOKEN" put cat.jpg
    """
    context.obj = Connection(
        cluster_path=cluster_path or DEFAULT_CLUSTER_PATH,
        cluster_is_chosen=cluster_path is not None,
        urls=urls,
        token=token or None,
    )


if __name__ == "__main__":
    main()
