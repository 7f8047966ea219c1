"""Pages that say what was found: one look for all, in one file that needs no other."""
