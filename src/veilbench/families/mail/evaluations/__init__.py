"""Evaluations of mail filters: how well they classify mails."""
