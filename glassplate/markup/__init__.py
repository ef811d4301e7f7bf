"""Markup of photos for HTML templates, from info documents, without a network."""
