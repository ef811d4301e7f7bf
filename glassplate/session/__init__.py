"""An open client: requests to storagemasters, uploads, and downloads."""
