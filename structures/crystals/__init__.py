"""Crystals: well-known unit cells, and slabs cut from them for a beam along a zone axis or normal to a face."""
