"""People at work: actions, the command line, the demo. Imports everything but workers."""
