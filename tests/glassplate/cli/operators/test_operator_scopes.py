"""Which token opens what operators ask for."""

import contextlib

import pytest

from glassplate import NotAllowed, NotFound, blocking

SCOPES = ("admin", "delete", "read", "upload")
PHOTO = "3/01jd3x8m2c9qp4k7"
ASKED = {
    "diff": ("read", [3]),
    "repair": ("admin", [3]),
    "revoke": ("delete", [f"{PHOTO}/3fz8qd"]),
    "undelete": ("delete", [PHOTO]),
    "find": ("admin", [PHOTO]),
    "explain": ("admin", [PHOTO]),
    "scrubs": ("read", []),
    "scrub": ("admin", []),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_operators_ask_for_opens_to_its_scope_only(name, cluster, client):
    """Every other scope there is, all together, is refused."""
    scope, arguments = ASKED[name]
    others = client.sign_token(set(SCOPES) - {scope})
    with (
        blocking.Client(cluster.masters, token=others) as stranger,
        pytest.raises(NotAllowed, match=f"scope {scope}"),
    ):
        getattr(stranger, name)(*arguments)
    with (
        blocking.Client(cluster.masters, token=client.sign_token([scope])) as operator,
        # What is asked about is not there, which only those hear who may ask.
        contextlib.suppress(NotFound),
    ):
        getattr(operator, name)(*arguments)
