"""Protected biometric templates: their interface, and known schemes to compare with."""
