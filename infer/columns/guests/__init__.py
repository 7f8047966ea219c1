"""Atom columns of guests in an ordered crystal: rigid molecules, refined against the average cell."""
