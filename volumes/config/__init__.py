"""The cluster config: `cluster.toml`, its readers, and the mistakes in it."""
