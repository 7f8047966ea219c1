"""Every atom column of a framework and of its guests on an image: where, how strong, of what kind."""
