"""infer: trained networks on real micrographs; atoms, lattices, restored images, molecules."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
