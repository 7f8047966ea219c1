"""Completeness: how many atoms of a brightness an image's detector finds, and how many of those found are none."""
