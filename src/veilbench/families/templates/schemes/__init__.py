"""Biometric template protection: the interface of schemes, and published schemes for comparison."""
