"""The report of a drill, and its timeline."""
