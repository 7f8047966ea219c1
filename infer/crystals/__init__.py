"""Crystals: the lattice, the restored image, and the molecules in it."""
