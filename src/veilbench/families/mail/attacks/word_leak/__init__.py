"""Word inference: recovers words of a client's mails from its messages and from the means."""
