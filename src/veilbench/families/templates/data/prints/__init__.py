"""Synthetic fingerprints: ridges grown along an orientation field, with several sensor impressions of each finger.

Modelled on SFinGe (Cappelli, Maio and Maltoni 2002, "Synthetic fingerprint-database generation"), but small and fast.
The images look like prints and have their structure (pattern types, minutiae, ridge density); we do not claim that
their statistics are those of a population.

Coordinates of the finger: x to the right and y up, both -1 to 1 over the sensor.
"""
