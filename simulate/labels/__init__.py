"""Labels: where each object is on an image, and how visible it is."""
