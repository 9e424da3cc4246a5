"""The federation of mail filters, run by Flower: one app, three ways to run it."""
