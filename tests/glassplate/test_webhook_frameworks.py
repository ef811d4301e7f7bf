"""The webhook handlers of docs/client.md, each run by its framework."""

import asyncio
import time

import pytest
from aiohttp.test_utils import TestClient, TestServer
from django.test import RequestFactory

from permission_urls import Purpose, application_key, sign_webhook
from tests.docs.pages import blocks, read_page
from tests.glassplate.application_files import export_application
from tests.glassplate.django_settings import configure_django

PATH = "/photo-events"
HEADER = "Glassplate-Signature"
EVENT = b'{"volume": 3, "photo": "01jd3x8m2c9qp4k7", "version": "3fz8qd", "state": "ready"}'


def post_aiohttp(site, body, signature):
    """Send a webhook to the aiohttp application; return the status."""

    async def post():
        async with TestClient(TestServer(site()["app"])) as client:
            response = await client.post(PATH, data=body, headers={HEADER: signature})
            return response.status

    return asyncio.run(post())


def post_flask(site, body, signature):
    """Send a webhook to the Flask application; return the status."""
    client = site()["app"].test_client()
    return client.post(PATH, data=body, headers={HEADER: signature}).status_code


def post_django(site, body, signature):
    """Send a webhook to the Django view; return the status."""
    configure_django()
    request = RequestFactory().post(
        PATH, body, content_type="application/json", headers={HEADER: signature}
    )
    return site()["photo_events"](request).status_code


def post_fastapi(site, body, signature):
    """Send a webhook to the FastAPI application as an ASGI server does; return the status."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(HEADER.lower().encode(), signature.encode())]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST"}
    scope |= {"scheme": "http", "path": PATH, "raw_path": PATH.encode(), "query_string": b""}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}
    asyncio.run(site()["app"](scope, receive, send))
    return next(each["status"] for each in sent if each["type"] == "http.response.start")


FRAMEWORKS = {
    "aiohttp": post_aiohttp,
    "flask": post_flask,
    "django": post_django,
    "fastapi": post_fastapi,
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_handler_of_the_page_accepts_webhooks_and_nothing_else(
    framework, cluster, tmp_path, monkeypatch, capsys
):
    """A changed or an unsigned one, and one of another application, is 403."""
    export_application(cluster, tmp_path)
    monkeypatch.chdir(tmp_path)
    page = blocks(read_page("docs/client.md"), "python")
    (snippet,) = (each for each in page if f"from {framework}" in each)
    post = FRAMEWORKS[framework]

    def site():
        names = {"__name__": "shop"}
        exec(snippet, names)
        return names

    def signed(application):
        key = application_key(cluster.keys, Purpose.WEBHOOK, application)
        return sign_webhook(key, EVENT, now_seconds=time.time())

    assert post(site, EVENT, signed("shop")) in {200, 204}
    assert capsys.readouterr().out == "ready 3/01jd3x8m2c9qp4k7/3fz8qd\n"
    assert post(site, EVENT.replace(b"ready", b"gone!"), signed("shop")) == 403
    assert post(site, EVENT, signed("blog")) == 403
    assert post(site, EVENT, "") == 403
    assert capsys.readouterr().out == ""


def test_each_handler_checks_in_five_lines():
    """The lines from `try` to the use of the event."""
    page = "\n".join(blocks(read_page("docs/client.md"), "python"))
    for part in page.split("    try:\n")[1:5]:
        lines = part.partition("print(")[0].splitlines()
        assert len([line for line in lines if line.strip()]) <= 4
