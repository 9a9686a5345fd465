"""A Polymarket on 127.0.0.1: the venue's wire formats, rules and faults, for the real clients.

It shares no rule with the product, so that the two check each other.
"""
