"""Transport of requests from a client to a node."""
