"""Every atom column of a framework on an image: where, how strong, of what kind."""
