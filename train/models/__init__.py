"""Networks, each in a module of its own."""
