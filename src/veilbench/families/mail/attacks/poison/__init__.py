"""Malicious clients of a federation degrade the filter or implant a backdoor."""
