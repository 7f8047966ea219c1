"""A training run while it goes: on which device, what it prints, and its learning curves."""
