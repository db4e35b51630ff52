"""The command line: which verbs and options there are, and what was meant where one is mistyped.

It imports no library and nothing that carries out a verb, so that help and completion are there at once.
"""
