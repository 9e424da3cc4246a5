"""Federated training of mail filters with Flower: one app that can run in three ways."""
