"""Export: a corpus in the formats of other programs."""
