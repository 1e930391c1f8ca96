"""An exhaustive explorer of the real core: `python -m tests.explorer`."""
