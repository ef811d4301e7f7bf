"""Delete, undelete, revoke, and regenerate."""
