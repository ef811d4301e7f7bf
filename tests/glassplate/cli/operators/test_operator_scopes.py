"""Scopes of tokens that operator requests require."""

import contextlib

import pytest

from glassplate import NotAllowed, NotFound, blocking

SCOPES = ("admin", "audit", "delete", "original", "read", "status", "upload")
PHOTO = "3/01jd3x8m2c9qp4k7"
REQUESTS = {
    "diff": ("admin", [3]),
    "repair": ("admin", [3]),
    "revoke": ("delete", [f"{PHOTO}/3fz8qd"]),
    "erase": ("delete", [PHOTO]),
    "undelete": ("delete", [PHOTO]),
    "find": ("admin", [PHOTO]),
    "explain": ("admin", [PHOTO]),
    "scrubs": ("status", []),
    "scrub": ("admin", []),
    "unfence": ("admin", ["east-2"]),
    "audit": ("audit", []),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_each_request_requires_exactly_its_scope(name, cluster, client):
    """A token with all other scopes is rejected."""
    scope, arguments = REQUESTS[name]
    others = client.sign_token(set(SCOPES) - {scope})
    with (
        blocking.Client(cluster.masters, token=others) as unauthorized,
        pytest.raises(NotAllowed, match=f"scope {scope}"),
    ):
        getattr(unauthorized, name)(*arguments)
    with (
        blocking.Client(cluster.masters, token=client.sign_token([scope])) as operator,
        # An authorized request for a missing photo raises NotFound.
        contextlib.suppress(NotFound),
    ):
        getattr(operator, name)(*arguments)
