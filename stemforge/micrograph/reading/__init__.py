"""From a file to arrays: formats, what is an image among what they hold, and what its values mean."""
