"""Candidates for what an image shows: an acid site in a zeolite with a guest docked at it and relaxed."""
