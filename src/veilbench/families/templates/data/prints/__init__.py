"""Synthetic fingerprints: ridges grown along an orientation field, pressed onto a sensor again and again.

In the manner of SFinGe (Cappelli, Maio and Maltoni 2002, "Synthetic fingerprint-database generation"), made small and
fast. They look like prints and have their structure (pattern types, minutiae, ridge density); no claim is made that
their statistics are those of a population.

Coordinates of the finger: x to the right and y up, both -1 to 1 over the sensor.
"""
