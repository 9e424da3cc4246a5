"""What encrypts text: the interface, the code books that trained networks amount to, and files."""
