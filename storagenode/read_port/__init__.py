"""The public port: permitted reads."""
