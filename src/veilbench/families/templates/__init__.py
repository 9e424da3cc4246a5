"""Templates: protected biometric templates of images, from trained encoders and from published schemes."""
