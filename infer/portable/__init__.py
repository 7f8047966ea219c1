"""Detectors of atoms for programs without stemforge: one graph, in ONNX, torch.export's format, or for bioimage.io."""
