"""Errors of this package. The operator can fix all of them.

ProxyConfigError
    ├── UnknownEdge        the cluster has no edge with this id and kind
    ├── InvalidSetting     a setting that the server cannot start with
    └── UnusableReadKey    a read key is malformed or missing

No message contains a key.
"""


class ProxyConfigError(Exception):
    """The config cannot be rendered."""


class UnknownEdge(ProxyConfigError):
    """The cluster has no edge with this id and kind."""

    def __init__(self, edge_id: str, kind: str) -> None:
        self.edge_id = edge_id
        super().__init__(f"the cluster has no {kind} edge {edge_id!r}")


class InvalidSetting(ProxyConfigError):
    """A setting that the server cannot start with."""


class UnusableReadKey(ProxyConfigError):
    """The read key of `key_id` cannot be used."""

    def __init__(self, key_id: str, reason: str) -> None:
        self.key_id = key_id
        super().__init__(f"read key {key_id!r} {reason}")
