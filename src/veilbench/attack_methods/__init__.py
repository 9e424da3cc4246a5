"""Building blocks of attacks in several families: inverters, adversarial attacks, gradient checks."""
