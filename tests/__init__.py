"""
What the product promises, one sentence per test.
"""
