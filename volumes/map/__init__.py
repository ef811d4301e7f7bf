"""The volume map as a value with a version: its text, changes, votes, and plans of moves."""
