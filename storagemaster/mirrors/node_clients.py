"""The clients of all nodes that a storagemaster knows, also after the volume map has changed."""

import aiohttp

from permission_urls import KeySource
from runtime.tls.certificate import Certificate
from storagenode.client import NodeClient
from volumes.address import Address
from volumes.cluster import Cluster, NodeId


class NodeClients:
    """A client for each node. A node that leaves the map keeps its client: requests may use it."""

    def __init__(
        self, session: aiohttp.ClientSession, keys: KeySource, certificate: Certificate | None
    ) -> None:
        self.by_id: dict[NodeId, NodeClient] = {}
        self._addresses: dict[NodeId, Address] = {}
        self._all: list[NodeClient] = []
        self._session = session
        self._keys = keys
        self._certificate = certificate

    def follow(self, cluster: Cluster) -> None:
        """Add clients of new nodes, of nodes with another address, and of removed ones."""
        for node in (*cluster.gone_nodes.values(), *cluster.nodes.values()):
            if self._addresses.get(node.id) != node.write:
                self._addresses[node.id] = node.write
                self.by_id[node.id] = NodeClient(
                    node.id, node.write, self._session, self._keys, self._certificate
                )
                self._all.append(self.by_id[node.id])

    def close(self) -> None:
        """Close the connections of all clients."""
        for client in self._all:
            client.close()
