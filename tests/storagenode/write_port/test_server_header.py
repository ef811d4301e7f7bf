"""The write port does not reveal which library serves it."""

import contextlib
import http.client

import pytest


@pytest.mark.parametrize("target", ["/status", "/nothing", "/metrics"])
def test_no_response_names_the_library_of_the_server(served, target):
    """Its version would help only an attacker."""
    address = served.node.write
    connection = http.client.HTTPConnection(address.host, address.port)
    with contextlib.closing(connection):
        connection.request("GET", target)
        assert connection.getresponse().headers["Server"] == "glassplate"
