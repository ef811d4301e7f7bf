"""Fault injection into a running cluster under load, and a check of every promise."""
