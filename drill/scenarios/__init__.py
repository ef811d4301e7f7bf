"""The scenarios, by the kind of fault."""
