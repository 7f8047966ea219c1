"""Images that are simulated while somebody moves a slider: controls, recipes, images, structures, files."""
