"""Micrographs and what is marked on them: the image, its file formats, its annotations."""
