"""Engines: from a structure to the noise-free signal of every detector."""
