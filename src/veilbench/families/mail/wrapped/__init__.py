"""Spam filters that work on texts: saved pipelines of scikit-learn, and estimators that are fitted to the data."""
