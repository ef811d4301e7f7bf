"""compose.yaml: valid, consistent with cluster.toml, and without secrets."""

import configparser
import ipaddress
import itertools
import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
from check_jsonschema.builtin_schemas import get_builtin_schema

ONE_SHOTS = {"owner", "init", "init-bucket"}
COLOS = ("east", "west")
EDGES = {"east-edge", "west-edge", "varnish"}
ON_REQUEST = {"glassplate"}
FOLLOWER = "edge-configs"

# Programs for health checks, by image. valkey is the official image on Debian; memcached is the one
# on Alpine, where nc is busybox's.
PROGRAMS_OF_IMAGE = {
    "glassplate": {"python"},
    "glassplate-varnish": {"curl"},
    "glassplate-nginx": {"curl"},
    "glassplate-seaweedfs": {"curl"},
    "valkey/valkey": {"valkey-cli"},
    "memcached": {"nc"},
}


def networks_of(service):
    """Return the networks of a service, with their options."""
    networks = service.get("networks", {})
    return networks if isinstance(networks, dict) else {name: {} for name in networks}


def mounts_of(service):
    """Return the mounts of a service: source, target, and True if writable."""
    for mount in service.get("volumes", []):
        source, target, *mode = mount.split(":")
        yield source, target, mode != ["ro"]


def hosts_of(service):
    """Return the hosts entries of a service, by name."""
    return dict(line.split(":") for line in service.get("extra_hosts", []))


def subnet_of(compose, network):
    """Return the subnet of a network."""
    return ipaddress.ip_network(compose["networks"][network]["ipam"]["config"][0]["subnet"])


def buckets_of(cluster):
    """Return the bucket nodes."""
    return [node for node in cluster.nodes.values() if node.bucket is not None]


def test_follows_the_compose_specification(compose):
    """The file is valid by the official schema, which check-jsonschema ships."""
    schema = get_builtin_schema("vendor.compose-spec")
    jsonschema.Draft202012Validator(schema).validate(compose)


def test_every_part_of_the_cluster_is_a_service(services, cluster):
    """Every process of the cluster is a service with its own id."""
    parts = {*cluster.nodes, *cluster.masters, *cluster.edges}
    workers = {f"{colo}-worker" for colo in COLOS}
    shared = {cluster.queue_url.split("/")[2].split(":")[0], *(a.host for a in cluster.memcached)}
    shared |= {urlsplit(node.endpoint).hostname for node in buckets_of(cluster)}
    assert services.keys() == parts | workers | shared | ONE_SHOTS | ON_REQUEST | {FOLLOWER}


def test_every_address_names_its_service(services, cluster):
    """Every address is a service name, and the service listens in all of its networks."""
    addresses = [
        *(
            (node.id, address)
            for node in cluster.nodes.values()
            for address in (node.read, node.write)
        ),
        *((master.id, master.address) for master in cluster.masters.values()),
        *(
            (edge.id, address)
            for edge in cluster.edges.values()
            for address in (edge.listen, edge.purge)
        ),
    ]
    for id_, address in addresses:
        assert address.host == id_
        assert hosts_of(services[id_])[id_] == "0.0.0.0"


def test_nodes_have_fixed_addresses_in_their_colo(compose, services, cluster):
    """Nodes have addresses that no other container can get, and that every edge knows."""
    for node in cluster.nodes.values():
        address = networks_of(services[node.id])[node.colo]["ipv4_address"]
        pool = compose["networks"][node.colo]["ipam"]["config"][0]
        assert ipaddress.ip_address(address) in ipaddress.ip_network(pool["subnet"])
        assert ipaddress.ip_address(address) not in ipaddress.ip_network(pool["ip_range"])
        for edge in cluster.edges:
            assert hosts_of(services[edge])[node.id] == address


def test_who_talks_to_whom_shares_a_network(compose, services, cluster):
    """Services that communicate share a network."""
    joined = {name: networks_of(service).keys() for name, service in services.items()}
    for names in joined.values():
        assert names <= compose["networks"].keys()
    workers = [f"{colo}-worker" for colo in COLOS]
    writers = [*cluster.masters, *workers]
    pairs = [
        *itertools.product(cluster.edges, cluster.nodes),
        *itertools.product(writers, [*cluster.nodes, *cluster.masters, "valkey"]),
        *itertools.product(cluster.masters, [*cluster.edges, "memcached"]),
        *itertools.combinations(cluster.nodes, 2),
        *itertools.product(ON_REQUEST, cluster.masters),
        *((node.id, "s3") for node in buckets_of(cluster)),
        ("init-bucket", "s3"),
    ]
    for one, other in pairs:
        assert joined[one] & joined[other], f"{one} cannot reach {other}"


def test_no_edge_reaches_the_queue_and_nobody_outside_does(compose, services, cluster):
    """Only the internal backbone network reaches the queue and the cache."""
    assert compose["networks"]["backbone"]["internal"] is True
    for name in ("valkey", "memcached"):
        assert networks_of(services[name]).keys() == {"backbone"}
        assert "ports" not in services[name]
    for edge in cluster.edges:
        assert "backbone" not in networks_of(services[edge])


def test_the_storagemasters_are_in_every_colo_of_disks(services, cluster):
    """Storagemasters are in both colo networks, and each node is only in its own."""
    for master in cluster.masters:
        assert {*COLOS} <= networks_of(services[master]).keys()
    for node in cluster.nodes.values():
        assert networks_of(services[node.id]).keys() & cluster.colos == {node.colo}


def test_only_its_node_reaches_the_bucket(compose, services):
    """Only the bucket node and the init job reach the S3 server, which reaches no other service."""
    assert compose["networks"]["bucket"]["internal"] is True
    assert {n for n, service in services.items() if "bucket" in networks_of(service)} == {
        "s3",
        "cold-1",
        "init-bucket",
    }
    assert networks_of(services["s3"]).keys() == {"bucket"}


def test_the_bucket_is_the_third_mirror_of_every_volume(cluster):
    """The bucket is a mirror beside a disk in each colo."""
    for volume in cluster.volumes.values():
        *disks, last = (cluster.nodes[node] for node in volume.mirrors)
        assert {node.colo for node in disks} == {*COLOS}
        assert last.bucket is not None


def test_every_node_keeps_its_photos_on_a_volume_of_its_own(services, cluster):
    """Each node has its own volume, at the path in cluster.toml."""
    for node in cluster.nodes.values():
        if node.bucket is not None:
            continue
        owners = [
            name
            for name, service in services.items()
            for source, target, can_write in mounts_of(service)
            if (source, target, can_write) == (node.id, node.store, True)
        ]
        assert owners == ["owner", "init", node.id]


def test_every_mount_is_there(compose, services, root):
    """Named volumes are declared and used; project files exist."""
    sources = {source for service in services.values() for source, *_ in mounts_of(service)}
    files = {source for source in sources if source.startswith("./")}
    assert sources - files == compose["volumes"].keys()
    for file in files:
        assert (root / file).is_file()


def test_only_some_services_mount_the_keys(services, cluster):
    """Only services that need the keys mount them, and only two can write."""
    folder = str(Path(cluster.keys_file).parent)
    readers = {
        name: can_write
        for name, service in services.items()
        for _, target, can_write in mounts_of(service)
        if target == folder
    }
    writers = {name for name, can_write in readers.items() if can_write}
    assert writers == {"owner", "init"} | ON_REQUEST
    workers = {f"{colo}-worker" for colo in COLOS}
    assert readers.keys() - writers == {*cluster.nodes, *cluster.masters} | workers | {FOLLOWER}


def test_only_some_services_mount_secrets(compose, services):
    """Only the services that use the bucket, and its server, mount their own secrets."""
    users = {
        name: service["secrets"] for name, service in services.items() if service.get("secrets")
    }
    assert users == {
        "cold-1": ["s3-credentials"],
        "init-bucket": ["s3-credentials"],
        "s3": ["s3-identities"],
    }
    assert compose["secrets"].keys() == {"s3-credentials", "s3-identities"}
    assert f"-s3.config=/run/secrets/{users['s3'][0]}" in services["s3"]["command"]


def test_secrets_are_made_once_and_agree(compose, root, tmp_path):
    """The script writes secrets once, in directories that git ignores."""
    folder = tmp_path / "secrets"
    made = []
    for _ in range(2):
        subprocess.run([root / "deploy" / "make-secrets.sh", folder], check=True)
        made.append({file.name: file.read_text() for file in folder.iterdir()})
    assert made[0] == made[1]
    assert folder.stat().st_mode & 0o777 == 0o700
    credentials = configparser.ConfigParser()
    credentials.read_string(made[0]["s3-credentials"])
    (identity,) = json.loads(made[0]["s3-identities"])["identities"]
    assert identity["credentials"] == [
        {
            "accessKey": credentials["default"]["aws_access_key_id"],
            "secretKey": credentials["default"]["aws_secret_access_key"],
        }
    ]
    assert len(credentials["default"]["aws_secret_access_key"]) == 64
    files = {name: secret["file"] for name, secret in compose["secrets"].items()}
    assert files == {name: f"./deploy/secrets/{name}" for name in made[0]}
    assert "/deploy/secrets/" in (root / ".gitignore").read_text().splitlines()


def test_ports_are_published_once_and_on_loopback(services):
    """Every port is published once, on loopback only."""
    ports = [port for service in services.values() for port in service.get("ports", [])]
    hosts, published, _ = zip(*(port.split(":") for port in ports), strict=True)
    assert set(hosts) == {"127.0.0.1"}
    assert len(set(published)) == len(published)


def test_published_ports_are_where_services_listen(services, cluster):
    """Published ports are the ones of edges and storagemasters, and no others."""
    listening = {
        **{edge.id: edge.listen.port for edge in cluster.edges.values()},
        **{master.id: master.address.port for master in cluster.masters.values()},
    }
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published.keys() == listening.keys()
    for name, (port,) in published.items():
        assert port.endswith(f":{listening[name]}")


def test_the_urls_of_receipts_are_an_edges(services, cluster):
    """The URLs of receipts open on the machine that runs the containers."""
    assert [
        name
        for name, service in services.items()
        for port in service.get("ports", [])
        if cluster.public_url == f"http://{port.rpartition(':')[0]}"
    ] == ["east-edge"]


def test_only_the_colos_can_purge(compose, services):
    """Edges accept purges from the networks of the storagemasters only."""
    script = services["init"]["command"][-1]
    colos = [str(subnet_of(compose, colo)) for colo in ("east", "west")]
    assert re.findall(r"--purge-network ([0-9./]+)", script) == colos


def test_services_depend_on_no_health(services):
    """No service depends on the health of another, which could be down at its start."""
    for name, service in services.items():
        for dependency, how in service.get("depends_on", {}).items():
            if dependency in ONE_SHOTS:
                assert how == {"condition": "service_completed_successfully"}, name
                assert services[dependency]["restart"] == "no"
            elif name in ONE_SHOTS:
                assert how == {"condition": "service_healthy"}, name
            else:
                assert how == {"condition": "service_started"}, name
                assert dependency in services


def test_long_running_services_start_after_init(services):
    """Every long-running service starts after init, except the bucket."""
    waiting = {
        name for name, service in services.items() if "init" in service.get("depends_on", {})
    }
    assert waiting == services.keys() - ONE_SHOTS - ON_REQUEST - {"s3"}
    for name, first in (("init", "owner"), ("s3", "owner"), ("init-bucket", "s3")):
        assert services[name]["depends_on"].keys() == {first}
    assert services["cold-1"]["depends_on"].keys() == {"init", "init-bucket"}
    assert "depends_on" not in services["owner"]


def test_long_running_services_are_restarted_and_checked(services):
    """Every long-running service is restarted, and its image has the health check's program."""
    for name in services.keys() - ONE_SHOTS - ON_REQUEST:
        service = services[name]
        assert service["restart"] == "unless-stopped"
        kind, program, *arguments = service["healthcheck"]["test"]
        assert kind == "CMD"
        programs = {program}
        if program == "sh":
            assert arguments[0] == "-c"
            programs |= {part.split()[0] for part in arguments[1].split("|")}
        assert programs <= PROGRAMS_OF_IMAGE[service["image"].partition(":")[0]]


def test_health_checks_that_are_python_are_python(services):
    """The Python health checks compile; test_containers_as_processes.py runs them."""
    for service in services.values():
        test = service.get("healthcheck", {}).get("test", [])
        if "python" in test:
            compile(test[-1], "health check", "exec")


def test_everything_is_contained(services):
    """No container has unneeded privileges or writable paths."""
    for name, service in services.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        assert service.get("cap_add", []) == (["CHOWN"] if name == "owner" else [])


def test_every_container_is_limited(services):
    """Processors, memory, and processes of every container are limited."""
    for service in services.values():
        assert service["cpus"] <= 1
        assert service["mem_limit"] in {"512m", "768m", "1g", "2g"}
        assert service["pids_limit"] <= 2048


def test_no_long_running_service_is_root(services, root):
    """Long-running services have an unprivileged user: by the image, by number, or by name."""
    number = re.search(r"^USER (\d+:\d+)$", (root / "deploy/Dockerfile").read_text(), re.MULTILINE)
    by_number = EDGES | {"valkey", "memcached"}
    for name in by_number:
        assert services[name]["user"] == number[1]
    assert services["owner"]["command"][-1].startswith(f"chown {number[1]} ")
    users = {name for name, service in services.items() if "user" in service}
    assert users == by_number | {"owner"}


def test_images_have_versions_and_are_built_once(services, root):
    """External images have a version, and the project's images are only built."""
    built = {}
    for name, service in services.items():
        if "build" in service:
            assert service["pull_policy"] == "build"
            build = service["build"]
            assert (root / build["context"] / build["dockerfile"]).is_file()
            built[service["image"]] = name
    assert built == {
        "glassplate": "owner",
        "glassplate-nginx": "east-edge",
        "glassplate-varnish": "varnish",
        "glassplate-seaweedfs": "s3",
    }
    for service in services.values():
        if service["image"] in built:
            assert "build" in service or service["pull_policy"] == "never"
        else:
            assert re.search(r":\d", service["image"])
