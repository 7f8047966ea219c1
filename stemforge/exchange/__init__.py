"""Exchange: images, points and boxes in the formats of other programs, one module a format."""
