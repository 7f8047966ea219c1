"""The colours of all figures: those of Okabe and Ito, which colour-blind readers can distinguish, too."""

BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREY = "#555555"
OLIVE = "#999933"
YELLOW = "#F0E442"

SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY, OLIVE)
"""Colours of lines and points that stand beside each other, in this order."""
MARKS = (SKY, ORANGE, GREEN, YELLOW, PURPLE, VERMILION)
"""Colours of what is drawn on a grey micrograph, by kind, in this order."""
