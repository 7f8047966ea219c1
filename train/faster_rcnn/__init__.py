"""Faster R-CNN, the detector of molecules."""
