"""A storage node: stateless HTTP over one disk or bucket."""
