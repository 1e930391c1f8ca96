"""`python -m backends.memory demo` and `python -m backends.memory simulate`."""

from __future__ import annotations

from backends.memory._cli import main

if __name__ == "__main__":
    raise SystemExit(main())
