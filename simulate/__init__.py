"""simulate: from recipes to labelled corpora of noise-free signals, and to the images that a microscope records."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
