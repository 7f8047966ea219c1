"""From unlabelled images to a detector: what of a recipe the images determine."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
