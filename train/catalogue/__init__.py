"""Recipes that come with stemforge, and what each of their fields means (the commands ``stemforge recipe``)."""
