"""AtomNet, the map of single atoms with sub-pixel places."""
