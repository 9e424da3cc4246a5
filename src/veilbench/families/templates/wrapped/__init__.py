"""Extractors that are finished: torch modules and ONNX files with trained weights, and precomputed embeddings."""
