"""
The demonstration: an invented company's HR feed, two LMSs with different settings, and what must come of it in each.

What is expected and how it is checked imports the standard library only, so that it stays independent of the program.
"""
