"""The audit log: callers, their acts, the photos, and the results."""
