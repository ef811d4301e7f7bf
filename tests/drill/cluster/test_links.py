"""Links: one for each pair of site and server, and a config for each process."""

import asyncio

from drill.cluster.links import CLIENTS, running_links, servers_of, write_views
from glassplate.local.plan import LocalPorts, render_local_cluster
from volumes.config.cluster_config import parse_cluster
from volumes.config.cluster_file import load_cluster

CONFIG = render_local_cluster(LocalPorts(21_000))


def test_every_port_of_a_cluster_has_a_server():
    """Every port has a link, so that a drill can cut it. No drill uses an ingest."""
    servers = servers_of(parse_cluster(CONFIG))
    ports = LocalPorts(21_000)
    assert {s.address.port for s in servers} == set(ports.all()) - set(ports.ingests.values())
    assert len({s.name for s in servers}) == len(servers)


def test_a_process_reaches_all_others_through_the_links_of_its_site(tmp_path):
    """A config has the process's own ports unchanged, and links that no other site shares."""
    path = tmp_path / "cluster.toml"
    path.write_text(CONFIG)
    true = parse_cluster(CONFIG)

    async def views():
        async with running_links(true, seed=1) as links:
            sites = {"east-1": "east", "west-master": "west"}
            found = write_views(links, path, sites, tmp_path)
            east, west = (load_cluster(found[name]) for name in sites)
            assert east.nodes["east-1"].write == true.nodes["east-1"].write
            assert west.masters["west-master"].address == true.masters["west-master"].address
            others = [n for n in true.nodes if n != "east-1"]
            for node in others:
                assert east.nodes[node].write == links.address("east", f"{node}.write")
                assert west.nodes[node].read == links.address("west", f"{node}.read")
            assert east.nodes["west-1"].write != west.nodes["west-1"].write
            queue = links.address("east", "valkey")
            assert east.queue_url == f"redis://{queue}/0"
            assert links.address(CLIENTS, "varnish.listen") != true.edges["varnish"].listen
            between = links.between("east", "west")
            assert {link.site for link in between} == {"east"}
            assert {link.server.colo for link in between} == {"west"}

    asyncio.run(views())
