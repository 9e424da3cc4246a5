"""Mail filters: spam classifiers, many of them learned where the mail lies."""
