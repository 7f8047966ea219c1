"""Single atoms and clusters, scattered on or in a support."""
