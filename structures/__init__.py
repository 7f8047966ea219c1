"""structures: atomic models of supports, single atoms and clusters, as ASE ``Atoms``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
