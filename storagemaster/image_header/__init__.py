"""Format and dimensions of a photo from its first bytes, without decoding."""
