"""Membership inference: was a mail in the training set of a filter?"""
