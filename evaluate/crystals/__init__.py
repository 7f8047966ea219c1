"""Crystals: a framework's columns as the truth of a restoration, and detected molecules against labels."""
