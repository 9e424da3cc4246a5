"""Mail filters: spam classifiers, many of them trained by federated learning."""
