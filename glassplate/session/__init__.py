"""Requests to a cluster: connections, retries, uploads, and downloads."""
