"""Child processes that decode untrusted files under limits."""
