"""The RQ worker: jobs, heartbeat, and metrics."""
