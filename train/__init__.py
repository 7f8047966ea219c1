"""train: the networks, the data they learn from, training runs and the weights that come of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
