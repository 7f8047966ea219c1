"""Layered materials: sheets one unit thick, stacked, twisted, rippled, in grains, with holes."""
