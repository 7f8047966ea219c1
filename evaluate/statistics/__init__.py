"""Where atoms stand: neighbours, clusters and order of points in a mask of any shape, against random places in it."""
