"""Where results go: tried before the work, never replaced unasked, together or not at all."""
