"""compose.yaml: no running service has the key of the authority, and no environment a secret."""

from glassplate.certificates.certificate_folder import AUTHORITY_KEY_VARIABLE
from tests.deploy.test_compose import COLOS, ON_REQUEST, mounts_of


def test_no_running_service_mounts_the_key_of_the_authority(services, cluster):
    """The services read their certificates, and issue none."""
    folders = {"/authority", cluster.tls.folder}
    mounted = {
        (name, target, can_write)
        for name, service in services.items()
        for _, target, can_write in mounts_of(service)
        if target in folders
    }
    writers = {"owner", "init"} | ON_REQUEST
    workers = {f"{colo}-worker" for colo in COLOS}
    readers = {*cluster.nodes, *cluster.masters} | workers
    assert mounted == {
        *((name, folder, True) for name in writers for folder in folders),
        *((name, cluster.tls.folder, False) for name in readers),
    }


def test_valkey_and_memcached_see_only_their_own_certificates(services):
    """`init` copies them, and the password of the queue."""
    script = services["init"]["command"][-1]
    for name, own in (("valkey", "queue-valkey.pem"), ("memcached", "cache-memcached.pem")):
        (mount,) = mounts_of(services[name])
        assert mount[:2] == (name, f"/{name}")
        assert f"cp /certificates/ca.pem /certificates/{own} /{name}\n" in script
        users = {each for each, s in services.items() if (name, f"/{name}") in sources_of(s)}
        assert users == {"owner", "init", name}


def sources_of(service):
    """Return the source and the target of each mount."""
    return {(source, target) for source, target, _ in mounts_of(service)}


def test_no_secret_is_in_the_environment(services):
    """`docker inspect` would show the environment; only paths of secrets can be there."""
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if name == AUTHORITY_KEY_VARIABLE:
                assert value == "/authority/ca-key.pem"
            else:
                assert value.removeprefix("/run/secrets/") in service["secrets"]
        assert "env_file" not in service
