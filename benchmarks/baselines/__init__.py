"""
What Matricula is compared with, written as well as such programs usually are. Nothing of ours is in them.
"""
