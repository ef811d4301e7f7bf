"""Every reason not to render a config, all of them the operator's to mend.

    ProxyConfigError
    ├── UnknownEdge        the cluster has no edge of this id and kind
    ├── InvalidSetting     a process choice that the server could not start with
    └── UnusableReadKey    a read key that is none, or no key at all

No message holds a key.
"""


class ProxyConfigError(Exception):
    """A config that cannot be rendered."""


class UnknownEdge(ProxyConfigError):
    """The cluster has no edge of this id and kind."""

    def __init__(self, edge_id: str, kind: str) -> None:
        self.edge_id = edge_id
        super().__init__(f"the cluster has no {kind} edge {edge_id!r}")


class InvalidSetting(ProxyConfigError):
    """A process choice that the server could not start with."""


class UnusableReadKey(ProxyConfigError):
    """The read key of `key_id` cannot be used."""

    def __init__(self, key_id: str, why: str) -> None:
        self.key_id = key_id
        super().__init__(f"read key {key_id!r} {why}")
