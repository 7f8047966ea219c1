"""DIVAESR, which restores low-dose iDPC images."""
