"""Models that are trained already: PyTorch modules, ONNX files, and detectors of scikit-learn and PyOD."""
