"""Admission of requests: caller, scopes, quotas, origin, audit, and problems."""
