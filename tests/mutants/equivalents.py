"""Mutants that behave like their module, each with the reason, by module and change."""

EQUIVALENTS: dict[str, dict[str, str]] = {}
