"""Places of atoms below the pixel: a fit of their images to the micrograph itself."""
