"""Completeness: how many atoms of a brightness would have been found on an image, and how many of those found are none."""
