"""Uploads, from the request body to the receipt."""
