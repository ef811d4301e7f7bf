"""The command line `glassplate`: its commands and the options that they share."""

from pathlib import Path

import click

from glassplate.cli.connection import Connection
from glassplate.cli.lazy_group import LazyCommand, LazyGroup, Section
from glassplate.cli.views.output import accept_any_name

DEFAULT_CLUSTER_PATH = Path("data/cluster.toml")

SECTIONS = (
    Section(
        "Photos",
        (
            LazyCommand("glassplate.cli.commands.put:put", "Upload photos."),
            LazyCommand("glassplate.cli.commands.url:url", "Sign the URL of a photo."),
            LazyCommand("glassplate.cli.commands.get:get", "Download a photo."),
            LazyCommand("glassplate.cli.commands.info:info", "Show the state of photos."),
            LazyCommand(
                "glassplate.cli.commands.list_references:list_",
                "List the references of all photos.",
            ),
            LazyCommand(
                "glassplate.cli.commands.import_photos:import_",
                "Import the photos of a directory or bucket.",
            ),
            LazyCommand(
                "glassplate.cli.commands.export_photos:export",
                "Export originals and infos of photos to files.",
            ),
            LazyCommand("glassplate.cli.commands.rm:rm", "Delete photos permanently."),
            LazyCommand(
                "glassplate.cli.commands.proof:proof",
                "Verify proofs that `rm --now` printed.",
            ),
            LazyCommand(
                "glassplate.cli.commands.undelete:undelete", "Restore deleted photos as new photos."
            ),
            LazyCommand("glassplate.cli.commands.revoke:revoke", "Invalidate all URLs of a photo."),
        ),
    ),
    Section(
        "Cluster",
        (
            LazyCommand("glassplate.cli.commands.status:status", "Show the state of the cluster."),
            LazyCommand(
                "glassplate.cli.commands.doctor:doctor", "Check the cluster, and say what to do."
            ),
            LazyCommand(
                "glassplate.cli.commands.plan:plan",
                "Compute what a cluster stores, survives, and costs.",
            ),
            LazyCommand("glassplate.cli.commands.diff:diff", "Compare the mirrors of volumes."),
            LazyCommand(
                "glassplate.cli.commands.repair:repair", "Make the mirrors of volumes equal."
            ),
            LazyCommand(
                "glassplate.cli.commands.volume:volume", "Open, close, move, and offload volumes."
            ),
            LazyCommand(
                "glassplate.cli.commands.restore:restore", "Refill a node after disk loss."
            ),
            LazyCommand("glassplate.cli.commands.map:map_", "Show and change the volume map."),
            LazyCommand(
                "glassplate.cli.commands.moves:moves", "Show volumes that move between nodes."
            ),
            LazyCommand("glassplate.cli.commands.scrub:scrub", "Show scrub progress of all nodes."),
            LazyCommand("glassplate.cli.commands.audit:audit", "Show and verify the audit log."),
            LazyCommand("glassplate.cli.commands.find:find", "Find a photo on all nodes."),
            LazyCommand(
                "glassplate.cli.commands.explain:explain", "Explain the response to a photo URL."
            ),
            LazyCommand(
                "glassplate.cli.commands.token:token", "Create, list, and revoke API tokens."
            ),
            LazyCommand(
                "glassplate.cli.commands.application:application",
                "Add, list, and export applications.",
            ),
            LazyCommand("glassplate.cli.commands.ticket:ticket", "Sign an upload ticket."),
            LazyCommand(
                "glassplate.cli.commands.node:node", "Prepare, change, stop, and start nodes."
            ),
            LazyCommand(
                "glassplate.cli.commands.keys:keys", "Create, list, rotate, and export keys."
            ),
            LazyCommand(
                "glassplate.cli.commands.certs:certs",
                "Create, issue, renew, and list certificates.",
            ),
            LazyCommand(
                "glassplate.cli.commands.regenerate:regenerate", "Regenerate sizes of photos."
            ),
            LazyCommand(
                "glassplate.cli.commands.proxy_config:proxy_config", "Write the config of an edge."
            ),
        ),
    ),
    Section(
        "Local cluster",
        (
            LazyCommand("glassplate.cli.commands.up:up", "Run a local cluster until Ctrl-C."),
            LazyCommand("glassplate.cli.commands.colo:colo", "Add, drain, stop, and start colos."),
            LazyCommand(
                "glassplate.cli.commands.drill:drill", "Inject faults into a test cluster."
            ),
        ),
    ),
)


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    epilog="\b\nExit status:\n"
    "  0  Success.\n"
    "  1  The operation failed, in whole or in part, or a check found a fault.\n"
    "  2  The arguments, the config, or the keys are invalid.\n"
    "  3  The cluster is unreachable.",
)
@click.option(
    "--cluster",
    "cluster_path",
    type=click.Path(path_type=Path),
    envvar="GLASSPLATE_CLUSTER",
    show_envvar=True,
    show_default=str(DEFAULT_CLUSTER_PATH),
    help="Path of the cluster's config.",
)
@click.option(
    "--url",
    "urls",
    multiple=True,
    envvar="GLASSPLATE_URL",
    show_envvar=True,
    show_default="from the config",
    help="URL of a storagemaster. Repeatable.",
)
@click.option(
    "--token",
    envvar="GLASSPLATE_TOKEN",
    show_envvar=True,
    show_default="signed with the key file",
    help="API token.",
)
@click.version_option(package_name="glassplate", message="glassplate %(version)s")
@click.pass_context
def main(
    context: click.Context, cluster_path: Path | None, urls: tuple[str, ...], token: str | None
) -> None:
    r"""Store photos in two colos, and sign URLs that serve them.

    These options go before the command.

    \b
    Examples:
      glassplate put cat.jpg
      glassplate --cluster /etc/glassplate/cluster.toml status
      glassplate --url http://photos.example:8090 --token "$TOKEN" put cat.jpg
    """
    accept_any_name()
    context.obj = Connection(
        cluster_path=cluster_path or DEFAULT_CLUSTER_PATH,
        cluster_is_chosen=cluster_path is not None,
        urls=urls,
        token=token or None,
    )


if __name__ == "__main__":
    main()
