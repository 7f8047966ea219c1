"""Focal series: how deep each atom lies, by the focus at which it is sharpest."""
