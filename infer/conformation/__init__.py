"""Which of several candidate structures an image of a crystal shows, asked of the image as it was recorded."""
