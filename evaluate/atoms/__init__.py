"""Detected atoms against labels: matching, scores, thresholds, and what is physically possible."""
