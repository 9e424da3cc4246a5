"""Federated training of mail filters with Flower: one app that runs in three ways."""
