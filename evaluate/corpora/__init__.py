"""Corpora beside real micrographs: statistics, likeness, and a look at either."""
