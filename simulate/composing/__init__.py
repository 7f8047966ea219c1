"""Recipes composed from what a user knows, with wide priors for the rest (the command ``stemforge new``)."""
