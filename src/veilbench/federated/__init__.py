"""Federated learning: local training, aggregations, and the messages between clients and aggregator."""
