"""Data that every network shares: samples by epoch and process, augmentation, iDPC images at any dose."""
