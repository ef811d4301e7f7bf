"""The node protocol: names on disk, types, routes, framing, and errors."""
