"""Started by tests: the command line in a process whose files may not grow beyond a number of bytes.

A write beyond it fails with EFBIG, as on a full disk, without the rights that a full disk needs.
"""

from __future__ import annotations

import os
import resource
import signal
import sys


def main() -> None:
    limit, arguments = int(sys.argv[1]), sys.argv[2:]
    import rasterio  # noqa: F401  libraries that write files while they are imported
    import torch  # noqa: F401
    import zarr  # noqa: F401

    from timesenclip.cli.commands import app

    os.environ["MPLCONFIGDIR"] = os.environ.get("MPLCONFIGDIR", "/tmp")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    app(arguments)


if __name__ == "__main__":
    main()
