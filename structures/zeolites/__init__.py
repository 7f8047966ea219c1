"""Zeolites: frameworks along the beam, aluminium with its protons, guests in the channels."""
