"""
The demonstration: an invented company's HR feed and what must come of it.

The modules here import the standard library only, so that the expectations stay independent of the program they check.
"""
