"""Uploads, reads, deletes, and revocations during a drill."""
