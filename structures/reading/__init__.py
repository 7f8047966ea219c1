"""Structure files: read once, checked, and refused where a reader would have to guess."""
