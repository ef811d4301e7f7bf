"""A port counts each request once, by route, method, and code, and logs what it should."""

import asyncio
import contextlib
import logging
import re

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from runtime.clients import ClientLimits, Clients
from runtime.plain_http import PlainRequests, render_response
from runtime.plain_server import PlainRunner
from runtime.port_metrics import PortMetrics
from runtime.request_scope import HEADER, current_request_id
from runtime.traffic import BUCKETS_SECONDS, Series, Traffic

ID = "f" * 32
PLAIN = f"PUT /plain HTTP/1.1\r\nHost: h\r\n{HEADER}: {ID}\r\nContent-Length: 5\r\n\r\nhello"


async def echo_id(_request):
    """Respond with the id of the request."""
    return web.Response(text=current_request_id())


async def fail(_request):
    """Respond with an error that the handler raises."""
    raise web.HTTPServiceUnavailable


async def respond_plain(_request, _body):
    """Respond as `echo_id` does."""
    return render_response(200, {}, current_request_id().encode())


@contextlib.asynccontextmanager
async def serving(traffic, routes):
    """Yield the address of a server with these routes, and its clients."""
    application = web.Application()
    application.add_routes(routes)
    clients = Clients(ClientLimits(connections_max=10), traffic)
    runner = PlainRunner(
        application,
        PlainRequests("PUT", "/plain", body_bytes_max=1000, route="/plain"),
        respond_plain,
        lambda refused: web.Response(status=refused),
        clients,
        admit=lambda _request: True,
        idle_seconds=60,
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0], clients
    await runner.cleanup()


async def responses(traffic, requests):
    """Return the body of the response to each request, each on a connection of its own."""
    routes = [web.get("/photos/{photo}", echo_id), web.get("/bad", fail)]
    found = []
    async with serving(traffic, [*routes, web.get("/healthz", echo_id)]) as (address, clients):
        for text in requests:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(text.encode())
            async with asyncio.timeout(30):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                (length,) = re.findall(r"(?i)content-length: (\d+)", head)
                found.append((await reader.readexactly(int(length))).decode())
            writer.close()
    return found, clients


def get(path, **headers):
    """Return the text of a GET."""
    lines = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: h\r\n{lines}Connection: close\r\n\r\n"


def exported(clients):
    """Return the value of each sample of a port's metrics, by name and labels."""
    registry = CollectorRegistry()
    registry.register(PortMetrics({"api": clients}))
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def value(samples, name, **labels):
    """Return the value of one sample."""
    return samples[name, *sorted({"port": "api", **labels}.items())]


def test_requests_are_counted_by_route_method_and_code():
    """On both paths, and also what matches no route or is not HTTP."""
    texts = [get("/photos/7"), get("/photos/8"), get("/bad"), get("/x"), PLAIN, "BLA\r\n\r\n"]
    _, clients = asyncio.run(responses(Traffic(is_internal=False), texts))
    samples = exported(clients)
    name = "glassplate_http_requests_total"
    photos = {"route": "/photos/{photo}", "method": "GET"}
    plain = {"route": "/plain", "method": "PUT"}
    assert value(samples, name, **photos, code="200") == 2
    assert value(samples, name, **plain, code="200") == 1
    assert value(samples, name, route="/bad", method="GET", code="503") == 1
    assert value(samples, name, route="unmatched", method="GET", code="404") == 1
    assert value(samples, name, route="unmatched", method="other", code="400") == 1
    duration = "glassplate_http_request_duration_seconds"
    assert value(samples, f"{duration}_count", **photos) == 2
    assert value(samples, f"{duration}_bucket", **photos, le="+Inf") == 2
    assert value(samples, "glassplate_http_received_bytes_total", **plain) == 5
    assert value(samples, "glassplate_http_sent_bytes_total", **plain) > len(ID)
    assert value(samples, "glassplate_http_requests_in_progress") == 0


@pytest.mark.parametrize("path", ["/photos/7", "plain"])
def test_a_handler_knows_the_id_that_the_client_sent(path):
    """On both paths."""
    text = PLAIN if path == "plain" else get(path, X_Request_Id=ID)
    (response,), _ = asyncio.run(responses(Traffic(is_internal=False), [text]))
    assert response == ID


@pytest.mark.parametrize(
    ("is_internal", "expected"),
    [
        (False, ["/photos/{photo} 200", "/bad 503", "unmatched 404", "/plain 200"]),
        (True, ["/bad 503"]),
    ],
)
def test_logged_requests(caplog, is_internal, expected):
    """A public port logs all but health checks, an internal one only refusals and errors."""
    texts = [get("/photos/7"), get("/healthz"), get("/bad"), get("/x"), PLAIN]
    with caplog.at_level(logging.INFO, "access"):
        asyncio.run(responses(Traffic(is_internal=is_internal), texts))
    lines = [record.getMessage() for record in caplog.records if record.name == "access"]
    assert [" ".join(line.split()[1:3]) for line in lines] == expected


def test_a_client_that_disconnects_is_counted():
    """With code 499, and it is in progress no longer."""
    traffic = Traffic(is_internal=False)
    started = asyncio.Event()

    async def wait(request):
        assert traffic.in_progress == 1
        started.set()
        for _ in range(3000):
            if request.transport is None:
                break
            await asyncio.sleep(0.01)
        return web.Response(text="late")

    async def disconnect():
        async with serving(traffic, [web.get("/wait", wait)]) as (address, _):
            _, writer = await asyncio.open_connection(*address)
            writer.write(get("/wait").encode())
            await started.wait()
            writer.close()

    asyncio.run(disconnect())
    assert traffic.in_progress == 0
    assert [kind.code for kind in traffic.series] == [499]


def test_a_duration_is_in_the_bucket_of_its_upper_bound():
    """As Prometheus counts them: a bound belongs to its own bucket."""
    series = Series()
    for seconds in (BUCKETS_SECONDS[0], BUCKETS_SECONDS[-1] + 1):
        series.record(seconds, 0, 0)
    assert series.buckets[0] == series.buckets[-1] == 1
    assert sum(series.buckets) == 2
