"""Scenarios, by kind of fault."""
