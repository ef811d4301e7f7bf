"""schemathesis finds no request that a storagemaster answers in another way than it documents."""

import asyncio
import hashlib
import itertools
import json
import os
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from permission_urls import Purpose
from storagemaster.handlers import api
from storagemaster.tiering import tiering
from storagemaster.uploads.upload_body import render_digest_header
from tests.storagemaster.openapi.hooks import SUCCESSES
from tests.storagemaster.pictures import picture
from tests.storagemaster.resumable.tus_client import TusClient, checksum_of
from tests.storagemaster.small_cluster import COLO_OF, HOST, KEYS

HERE = Path(__file__).parent
SEED = 1
EXAMPLE_OF = {
    "volume": 1,
    "node": "east-1",
    "to": ["east-1"],
    "Upload-Length": 1000,
    "Upload-Offset": 0,
    "Upload-Checksum": checksum_of(picture()),
    "Content-Digest": render_digest_header(hashlib.sha256(picture()).hexdigest()),
}
EXAMPLES = int(os.environ.get("GLASSPLATE_OPENAPI_EXAMPLES", "3"))


@pytest.fixture(name="document")
def _document(runner, cluster):
    """Return the OpenAPI document, requested without a token."""
    request = cluster.master.request("GET", "/openapi.json", headers={"Authorization": ""})
    return runner.run(request).document


def test_the_document_is_valid_openapi(document):
    """openapi-spec-validator accepts `GET /openapi.json`, which needs no token."""
    OpenAPIV31SpecValidator(document).validate()


async def test_capabilities_need_no_token_and_reveal_no_machines(cluster):
    """They have sizes, limits, and key ids, but neither nodes nor volumes."""
    path = "/capabilities"
    answer = await cluster.master.request("GET", path, headers={"Authorization": ""})
    assert answer.document["limits"]["upload_bytes"] == cluster.config.limits.upload_bytes_max
    letters = [size.letter for size in cluster.config.sizes]
    assert [size["letter"] for size in answer.document["sizes"]] == letters
    assert answer.document["url_keys"] == [KEYS.ring(Purpose.READ).signing_key.key_id]
    assert not any(node in json.dumps(answer.document) for node in COLO_OF)


async def test_schemathesis_finds_nothing(cluster_with, valkey, tmp_path, monkeypatch):
    """Status, headers, body, and errors of each response are the ones that are documented."""
    monkeypatch.setattr(tiering, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(api, "wait_seconds", lambda _: 0)
    cluster = await cluster_with(queue_url=f"redis://{HOST}:{valkey.port}/0")
    document = (await cluster.master.request("GET", "/openapi.json")).document
    for schema in document["components"]["schemas"].values():
        schema["additionalProperties"] = False  # find fields that are not documented
    await name_real_photos(cluster.master, document)
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("schemathesis"), "--config-file"),
        *(HERE / "schemathesis.toml", "run", tmp_path / "openapi.json", "--no-color"),
        *("--url", cluster.master.url, "--seed", str(SEED), "--max-examples", str(EXAMPLES)),
        *("--header", f"Authorization: Bearer {cluster.master._token}"),
        cwd=tmp_path,
        env=os.environ
        | {
            "SCHEMATHESIS_HOOKS": "tests.storagemaster.openapi.hooks",
            "PYTHONPATH": str(HERE.parents[2]),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    succeeded = set((tmp_path / SUCCESSES).read_text().split())
    names = {o["operationId"] for path in document["paths"].values() for o in path.values()}
    # A map that can be put in force has the addresses of this cluster.
    assert names - succeeded == {"events", "nextVolumeMap", "ticketUses", "uploadPhotoByForm"}


async def name_real_photos(master, document):
    """Make a photo or an upload for each operation, which its examples name."""
    numbers = itertools.count(100)
    reference = str((await master.upload(picture(number=next(numbers)))).version)
    schemas = document["components"]["schemas"]
    schemas["BatchRequest"]["properties"]["photos"]["items"]["examples"] = [reference]
    schemas["RegenerateRequest"]["properties"]["photo"]["examples"] = [reference]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            fields = {}
            if "{photo}" in path:
                stored = (await master.upload(picture(number=next(numbers)))).version
                fields = {"photo": stored.photo, "version": stored.version}
                if "undelete" in path:
                    await master.delete(stored)
            elif "{upload}" in path:
                begun = await TusClient(master).begin(1000)
                fields = {"upload": begun.headers["Location"].rpartition("/")[2]}
            for parameter in operation["parameters"]:
                if parameter["name"] in EXAMPLE_OF | fields:
                    parameter["schema"]["examples"] = [(EXAMPLE_OF | fields)[parameter["name"]]]
