"""Scenarios of certificates, keys, and machines that are not what they say."""

from drill.faults.certificates import (
    CertificateEnds,
    CertificatesAndKeysRenewed,
    Impostor,
    Replayed,
)
from drill.scenarios.scenario import ALL_EDGES, Scenario, steps

TRUST = (
    Scenario(
        name="impostor-at-a-node",
        description="A node is down, and a process with another certificate is at its address.",
        steps=steps(Impostor("east-1")),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="requests-replayed",
        description="Signed requests to one node are repeated at every other node.",
        steps=steps(Replayed("east-1")),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="certificates-and-keys-rotated",
        description="All certificates, and the keys of URLs and internal purposes, are rotated.",
        steps=steps(CertificatesAndKeysRenewed()),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="certificate-ends",
        description="The certificate of a node ends, and is renewed after a while.",
        steps=steps(CertificateEnds("east-1")),
    ),
)
