"""audit: whether labels lie on the atoms of their image, and where else they would fit."""
