"""Grafts: simulated atoms put, with the right noise, into recorded images."""
