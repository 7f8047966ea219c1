"""Sessions on disk: images, edits and jobs that survive a closed tab and a stopped server."""
