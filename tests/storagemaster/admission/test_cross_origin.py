"""Requests of pages of other origins, as browsers send them, and `OPTIONS` of every path."""

import aiohttp
import pytest

from glassplate.session.new_tokens import new_token
from permission_urls import sign_token
from storagemaster import wire
from storagemaster.admission.cross_origin import REQUEST_HEADERS
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import KEYS
from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from volumes.cluster import Application

SHOP, BLOG, OTHER = "https://shop.example", "https://blog.example", "https://other.example"
APPLICATIONS = {
    "shop": Application(name="shop", origins=(SHOP,)),
    "blog": Application(name="blog", origins=(BLOG,)),
    "batch": Application(name="batch"),
}
PATHS = [
    "/photos?wait=5",
    "/photos/known",
    "/uploads",
    "/uploads?volume=1",
    "/uploads/u1.a.b.c",
    "/capabilities",
    "/openapi.json",
]


@pytest.fixture(name="master")
def _master(runner, cluster_with):
    """Return a storagemaster of a cluster with two web sites."""
    return runner.run(cluster_with(applications=APPLICATIONS)).master


async def send(master, method, path, headers, data=None):
    """Send a request with these headers only."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, master.url + path, headers=headers, data=data) as response,
    ):
        await response.read()
        return response


async def preflight(master, path, origin):
    """Send the preflight of an upload."""
    names = ", ".join(name.lower() for name in sorted(REQUEST_HEADERS))
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": names,
    }
    return await send(master, "OPTIONS", path, headers)


def of(application, origin):
    """Return the headers of a page's request with a token of an application."""
    token = new_token(["upload"], application=application)
    return {"Authorization": f"Bearer {sign_token(KEYS, token)}", "Origin": origin}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", [SHOP, BLOG])
async def test_a_preflight_of_any_application_passes_without_a_token(master, path, origin):
    """It is valid for two hours, and never allows cookies."""
    response = await preflight(master, path, origin)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert "PATCH" in response.headers["Access-Control-Allow-Methods"].split(", ")
    allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert allowed == list(REQUEST_HEADERS)
    assert response.headers["Access-Control-Max-Age"] == "7200"
    assert response.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("path", ["/photos", "/uploads"])
async def test_a_preflight_of_another_origin_does_not_pass(master, path):
    """Caches must know that the response depends on the origin."""
    response = await preflight(master, path, OTHER)
    assert (response.status, response.headers["Vary"]) == (204, "Origin")
    assert not any(name.startswith("Access-Control") for name in response.headers)


@pytest.mark.parametrize("path", ["/status", "/photos/info", "/tiering/1"])
async def test_other_routes_are_closed_to_pages(master, path):
    """A page can upload, and do nothing else."""
    response = await preflight(master, path, SHOP)
    assert not any(name.startswith("Access-Control") for name in response.headers)


async def test_a_page_of_the_application_reads_the_receipt(master):
    """The page can read the headers that uploads need."""
    response = await send(master, "POST", "/photos", of("shop", SHOP), picture())
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (201, SHOP)
    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Location", "Upload-Offset", "Glassplate-Reference"} <= set(exposed)


@pytest.mark.parametrize("application", ["shop", "batch"])
async def test_a_page_of_another_application_is_refused(master, application):
    """A token does not work from a page of another application, nor can the page read why."""
    response = await master.request(
        "POST", "/photos", data=picture(), headers=of(application, BLOG)
    )
    assert_problem(response, 403, "not-allowed")
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_the_url_of_an_upload_works_on_pages_of_its_application_only(master):
    """It needs no token, and knows the application that began it."""
    version = {"Tus-Resumable": "1.0.0"}
    begun = await send(
        master, "POST", "/uploads", {**of("shop", SHOP), **version, "Upload-Length": "1000"}
    )
    path = begun.headers["Location"]
    assert (await send(master, "HEAD", path, {"Origin": SHOP, **version})).status == 200
    assert (await send(master, "HEAD", path, {"Origin": BLOG, **version})).status == 403
    assert (await send(master, "HEAD", path, version)).status == 200


async def test_a_page_can_read_errors_without_a_caller(master):
    """Otherwise a script could not tell an expired token from a lost network."""
    response = await send(master, "POST", "/photos", {"Origin": SHOP}, picture())
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (401, SHOP)


async def test_an_application_without_origins_has_no_cors(master):
    """Its servers may pass on the Origin that they received."""
    response = await send(master, "POST", "/photos", of("batch", OTHER), picture())
    assert response.status == 201
    assert not any(name.startswith("Access-Control") for name in response.headers)


async def test_a_cluster_without_origins_has_no_cors(cluster):
    """No response varies by the origin."""
    response = await preflight(cluster.master, "/photos", SHOP)
    assert response.status == 204
    assert not {"Vary", "Access-Control-Allow-Origin"} & response.headers.keys()


@pytest.mark.parametrize("template", sorted({route.template for route in wire.ROUTES}))
async def test_options_of_every_path_name_its_methods(cluster, template):
    """Without a token."""
    fields = {"volume": 1, "photo": "01jd3x8m2c9qp4k7", "version": "3fz8qd", "shard": "k7",
              "upload": "u1.a.b.c", "node": "east-1"}  # fmt: skip
    response = await send(cluster.master, "OPTIONS", template.format(**fields), {})
    methods = {route.method for route in wire.ROUTES if route.template == template}
    head = {"HEAD"} if "GET" in methods else set()
    assert response.status == 204
    assert set(response.headers["Allow"].split(", ")) == methods | head | {"OPTIONS"}
