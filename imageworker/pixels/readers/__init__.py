"""The reader of each photo format, and the one place that chooses among them."""
