"""Privacy audit of a federation by canaries: mails or clients whose presence is decided by coin flips."""
