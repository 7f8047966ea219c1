"""Where an image shows specimen, and where vacuum."""
