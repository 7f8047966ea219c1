"""Sweeps: a trained network scored over the electron dose."""
