"""What encrypts text: the interface, and the code books that trained networks amount to."""
