"""Words of mails, read from what a client sends and from what all clients get."""
