"""Restored images against their target, and classical denoising to compare with."""
