"""The description of the storagemaster's API: OpenAPI 3.1, generated from its routes."""
