"""Metal nanoparticles: their shapes, and where they lie on or in a support."""
