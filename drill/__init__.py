"""Drills: faults injected into a running cluster under load, and what became of its promises."""
