"""
What tests share: a database and a virtual host per test, and waiting for facts.
"""
