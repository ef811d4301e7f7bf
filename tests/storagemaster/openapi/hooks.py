"""Hooks of schemathesis: the bodies that it sends as photos, and a list of what succeeded."""

from pathlib import Path

import schemathesis
from hypothesis import strategies as st

from storagemaster.resumable.tus import PATCH_TYPE
from tests.storagemaster.pictures import picture

SUCCESSES = "succeeded.txt"
BODIES = st.sampled_from([picture(), picture(number=1), picture()[:40], b"text", b""])

for _type in ("image/*", "application/octet-stream", PATCH_TYPE):
    schemathesis.openapi.media_type(_type, BODIES)


@schemathesis.hook
def after_call(_context, case, response):
    """Note the operation of a response that is a success."""
    if response.status_code < 300 and response.request.method == case.operation.method.upper():
        with Path(SUCCESSES).open("a") as file:
            file.write(f"{case.operation.definition.raw['operationId']}\n")
