"""The image worker: every size of every photo, made in limited children of a queue worker."""
