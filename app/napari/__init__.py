"""A panel in napari: find atoms on a layer, correct them with napari's tools, ask the network again, save them."""
