"""The command line. Every command is a thin layer over a function that Python users can call too.

Nothing heavy is imported here: a command imports what it needs when it runs, so that `--help` stays quick.
"""

from timesenclip.cli.commands import app, main

__all__ = ["app", "main"]
