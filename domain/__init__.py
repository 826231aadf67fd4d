"""
What is true and what we decide: pure functions of plain values, no clock, no input or output.

Imports the standard library, pydantic and anyascii only.
"""
