"""Which of many images are worth opening first: atoms or none, focus, scan, specimen, and what makes one doubtful."""
