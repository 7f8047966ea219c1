"""SAC-CNN, the detector of single atoms in crops of 21 × 21 pixels."""
