"""Recording: from noise-free signal to the image that an instrument would have written."""
