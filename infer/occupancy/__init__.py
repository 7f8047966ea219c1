"""Which channels of a framework hold a molecule, asked of the image as it was recorded."""
