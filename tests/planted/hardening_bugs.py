"""Bugs in deletes that must hold, in signed requests, in limits of clients, and in the sandbox."""

import time

from imageworker.sandbox import fork_server, sandbox
from permission_urls import TombstoneProofs, internal
from runtime.clients import Clients
from runtime.tls.certificate import Certificate
from storagemaster.caches.purge_sessions import PurgeSessions
from storagemaster.caches.purging import EdgePurger
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagenode.disk.directories import DurableDirectories
from storagenode.disk.lifecycle import tiering
from storagenode.protocol import wire
from storagenode.read_port.fast_path import FastPathServer
from storagenode.write_port.write_api import WriteApi
from tests.planted.finders import Tests
from tests.planted.planted_bug import PlantedBug


def aborts_no_responses(patch):
    """Send a photo to its end although a tombstone was written."""
    patch.setattr(FastPathServer, "abort_responses", lambda *_: 0)


def expects_folders_to_stay(patch):
    """Create a hidden folder once, and never again."""

    def give_name(directories, path, name_it):
        directories.make_parents_of(path)
        name_it()

    patch.setattr(DurableDirectories, "give_name", give_name)


def keeps_the_caches_of_all_edges(patch):
    """Begin no purge session, so that an edge that has missed purges drops nothing."""

    async def settle(sessions):
        await sessions._purging.repeat_missed()

    patch.setattr(PurgeSessions, "settle", settle)


def forgets_missed_purges(patch):
    """Rely on hints of purges."""
    patch.setattr(EdgePurger, "_remember_missed", lambda *_: None)


def gives_late_tombstones_the_present_second(patch):
    """Use the time of the repair instead of the time of the delete."""

    async def seconds_of(*_):
        return int(time.time())

    patch.setattr(TombstoneDelivery, "seconds_of", seconds_of)


def reads_bodies_before_signatures(patch):
    """Read a whole body before the check of its signature."""
    verified = WriteApi._verified

    def read_and_verify(api, route, handler):
        check = verified(api, route, handler)

        async def handle(request):
            if wire.SIGNATURE_HEADER not in request.headers:
                async for _ in request.content.iter_any():
                    pass
            return await check(request)

        return handle

    patch.setattr(WriteApi, "_verified", read_and_verify)


def limits_no_client(patch):
    """Keep every connection, however slow it is."""
    patch.setattr(Clients, "check", lambda *_: None)


def accepts_requests_to_other_receivers(patch):
    """Leave the receiver out of the signed bytes."""
    join = internal._join_request
    patch.setattr(internal, "_join_request", lambda _, *request: join("any", *request))


def accepts_signatures_of_any_lifetime(patch):
    """Ignore how far ahead an expiry is."""
    patch.setattr(internal, "_EXPIRY_AHEAD_SECONDS_MAX", 1 << 60)


def obeys_tombstones_without_proof(patch):
    """Take every tombstone for genuine."""
    patch.setattr(TombstoneProofs, "is_genuine", lambda *_: True)


def accepts_any_node_of_the_cluster(patch):
    """Ignore the name in the certificate of a server."""
    options_for = Certificate.options_for

    def options(certificate, machine):
        certificate.client.check_hostname = False
        return options_for(certificate, machine)

    patch.setattr(Certificate, "options_for", options)


def lets_cold_nodes_drop_copies(patch):
    """Ignore which nodes store the offloaded sizes."""
    check = tiering.check_droppable
    from storagenode.bucket import store as bucket_store

    for module in (tiering, bucket_store):
        patch.setattr(module, "check_droppable", lambda place, tier, _: check(place, tier, ""))


def denies_no_file_system(patch):
    """Start decoders without Landlock."""
    for module in (sandbox, fork_server):
        patch.setattr(module, "deny_file_system", lambda: True)


BUGS_OF_HARDENING = (
    PlantedBug(
        what="a response under way outlives a delete",
        plant=aborts_no_responses,
        found_by=Tests("tests/edges/test_fetch_outlives_delete.py"),
    ),
    PlantedBug(
        what="an emptied hidden folder is not created again",
        plant=expects_folders_to_stay,
        found_by=Tests("tests/storagenode/disk/test_emptied_folders.py"),
    ),
    PlantedBug(
        what="an edge that has missed purges keeps its cache after a restart of everything",
        plant=keeps_the_caches_of_all_edges,
        found_by=Tests("tests/storagemaster/caches/test_purge_sessions.py"),
    ),
    PlantedBug(
        what="a purge that an edge has missed is repeated from hints only",
        plant=forgets_missed_purges,
        found_by=Tests("tests/storagemaster/caches/test_purge_sessions.py"),
    ),
    PlantedBug(
        what="a late tombstone has another second than its source",
        plant=gives_late_tombstones_the_present_second,
        found_by=Tests("tests/storagemaster/repair/test_tombstone_seconds.py"),
    ),
    PlantedBug(
        what="a body is read before its signature is verified",
        plant=reads_bodies_before_signatures,
        found_by=Tests("tests/storagenode/transport/test_signed_writes.py"),
    ),
    PlantedBug(
        what="slow clients are never rejected",
        plant=limits_no_client,
        found_by=Tests("tests/runtime/test_clients.py"),
    ),
    PlantedBug(
        what="a captured request is accepted by another node",
        plant=accepts_requests_to_other_receivers,
        found_by=Tests("tests/permission_urls/test_internal_requests.py"),
    ),
    PlantedBug(
        what="a signature is valid until any expiry",
        plant=accepts_signatures_of_any_lifetime,
        found_by=Tests("tests/permission_urls/test_internal_requests.py"),
    ),
    PlantedBug(
        what="a tombstone without a proof deletes a photo",
        plant=obeys_tombstones_without_proof,
        found_by=Tests("tests/storagemaster/repair/test_unproven_tombstones.py"),
    ),
    PlantedBug(
        what="any machine of the cluster can answer for a node",
        plant=accepts_any_node_of_the_cluster,
        found_by=Tests("tests/storagenode/transport/test_tls.py"),
    ),
    PlantedBug(
        what="a cold node drops the only copy of an original",
        plant=lets_cold_nodes_drop_copies,
        found_by=Tests("tests/storagenode/disk/test_store_contract.py"),
    ),
    PlantedBug(
        what="a decoder runs without Landlock",
        plant=denies_no_file_system,
        found_by=Tests("tests/imageworker/sandbox/test_landlock.py"),
    ),
)
