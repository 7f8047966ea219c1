"""Molecules that a detector finds, and what the image as it was recorded says of them."""
