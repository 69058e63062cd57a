"""The command line: words → calls of the library."""
