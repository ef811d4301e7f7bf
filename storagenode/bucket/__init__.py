"""A store over one S3 bucket."""
