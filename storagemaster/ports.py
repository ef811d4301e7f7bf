"""The ports of a storagemaster: one for clients, and one for workers, if the map has an address."""

from contextlib import AbstractAsyncContextManager

from runtime.clients import ClientLimits, Clients
from runtime.http_server import serving
from runtime.plain_server import PlainRunner
from storagemaster.admission.problems import malformed_request_response
from storagemaster.handlers.api import Api
from storagemaster.handlers.plain_uploads import PLAIN_UPLOADS
from storagemaster.operations.certificates import Certificates
from storagemaster.wire import BUNDLE, HEALTH, INTERNAL_MAP, ROUTES
from volumes.address import Address
from volumes.cluster import Master

KEEPALIVE_SECONDS = 75


def client_port(api: Api, master: Master, clients: Clients) -> AbstractAsyncContextManager[None]:
    """Serve the API until the block exits. Workers use their own port, if there is one."""
    uploads = api.plain_uploads()
    routes = [each for each in ROUTES if master.internal is None or each is not BUNDLE]
    runner = PlainRunner(
        api.application(routes),
        PLAIN_UPLOADS,
        uploads.respond,
        malformed_request_response,
        clients,
        admit=lambda request: uploads.caller_of(request) is not None,
        idle_seconds=KEEPALIVE_SECONDS,
        access_log=None,
        auto_decompress=False,
    )
    return serving(runner, master.address.host, master.address.port, clients)


def worker_port(
    api: Api, address: Address, limits: ClientLimits, certificates: Certificates
) -> AbstractAsyncContextManager[None]:
    """Serve the routes of workers until the block exits. With TLS, no other machine can use it."""
    clients = Clients(limits, permits=certificates.permits_worker)
    runner = PlainRunner(
        api.application((BUNDLE, INTERNAL_MAP, HEALTH)),
        PLAIN_UPLOADS,
        lambda *_: None,
        malformed_request_response,
        clients,
        admit=lambda _: False,
        idle_seconds=KEEPALIVE_SECONDS,
        access_log=None,
        auto_decompress=False,
    )
    return serving(runner, address.host, address.port, clients, certificate=certificates.own)
