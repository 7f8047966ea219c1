"""How bright atoms are: one kind, several, or several atoms in line."""
