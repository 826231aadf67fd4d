"""
Measurements of a running installation, each against a baseline of the same run. May import everything.
"""
