"""Corpora beside real micrographs: statistics, priors, likeness, and a look at either."""
