"""Supports: amorphous carbon, carbon particles, carbon nitride."""
