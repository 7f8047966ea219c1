"""The detectors of atoms that come with stemforge, in a user's words."""

SHIPPED = (
    {
        "name": "any-atom",
        "label": "Any atom",
        "description": "Single atoms of any element; knows when it does not know. Start with this one.",
    },
    {
        "name": "atom-net",
        "label": "Heavy atoms",
        "description": "Trained on heavy single atoms on light supports, such as Pt on carbon.",
    },
    {
        "name": "sac-cnn",
        "label": "SAC-CNN (published network)",
        "description": "The published architecture, trained anew for heavy atoms on light supports, for comparison.",
    },
)
"""Name of the weights, what a user reads, and for what they are; the first is where to start."""
