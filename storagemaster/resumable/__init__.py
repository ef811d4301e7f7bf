"""Resumable uploads, from the signed upload URL to the commit of the complete photo."""
