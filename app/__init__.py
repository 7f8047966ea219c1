"""A page for people who use no command line: see atoms, correct them, and get tables, reports and labels."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
