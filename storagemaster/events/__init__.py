"""Events of photos, and their delivery as a stream and by webhook."""
