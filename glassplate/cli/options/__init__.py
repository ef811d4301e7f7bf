"""Parsing of command line arguments."""
