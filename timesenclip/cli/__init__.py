"""The command line. Commands parse options, call functions of the library, and print the result.

A command imports torch, rasterio and other large packages when it runs, so that `--help` stays fast.
"""

from timesenclip.cli.commands import app, main

__all__ = ["app", "main"]
