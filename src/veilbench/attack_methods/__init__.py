"""What attacks of several families are made of: inverters, gradient attacks, checks of gradients."""
