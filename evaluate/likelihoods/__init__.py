"""Likelihoods: whether they mean what they say, made so, and the threshold that follows."""
