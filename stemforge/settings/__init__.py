"""Settings: frozen, checked, hashed, read from YAML; and numbers that are drawn anew for every sample."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
