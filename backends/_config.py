"""The configuration file: what a person would else repeat on each command line (docs/cli.md).

TOML, read with bounds. Flags and the environment go before it; secrets do not stand in it, but a
token may stand in a file that it names.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import msgspec

MAX_CONFIG = 65536
"""Greatest size of the file, in bytes."""
_Number = Annotated[int, msgspec.Meta(ge=0)]


class Config(
    msgspec.Struct, frozen=True, kw_only=True, rename=lambda name: name.replace("_", "-"),
    forbid_unknown_fields=True,
):  # fmt: skip
    """What the file may say; None is nothing. Each is the flag of that name."""

    relay: str | None = None
    token_file: str | None = None
    proxy: str | None = None
    curve: str | None = None
    throttle: str | _Number | None = None
    streams: _Number | None = None
    reconnect: _Number | None = None
    discovery: bool | None = None
    compress: bool | None = None
    gitignore: bool | None = None
    exclude: tuple[str, ...] = ()
    out: str | None = None
    plain: bool | None = None
    verify: bool | None = None


def place() -> str:
    """Return the path of the file, which need not exist; CROC_CONFIG names another one."""
    named = os.environ.get("CROC_CONFIG")
    if named is not None:
        return named
    if sys.platform == "linux":  # this one line saves the 6 ms that the import takes
        folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        return os.path.join(folder, "croc-core", "config.toml")
    import platformdirs

    return str(platformdirs.user_config_path("croc-core", appauthor=False) / "config.toml")


def load() -> Config:
    """Read the file; where there is none, and for an empty CROC_CONFIG, it says nothing.

    Raises ValueError with a sentence for the person where it cannot be used.
    """
    path = place()
    if not path:
        return Config()
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_CONFIG + 1)
    except FileNotFoundError:
        if "CROC_CONFIG" in os.environ:
            raise ValueError(_bad(path, "it does not exist")) from None
        return Config()
    except NotADirectoryError:
        return Config()
    except (OSError, ValueError) as error:
        raise ValueError(_bad(path, getattr(error, "strerror", "") or str(error))) from None
    if len(data) > MAX_CONFIG:
        raise ValueError(_bad(path, f"it is larger than {MAX_CONFIG} bytes"))
    return parse(data, path)


def parse(data: bytes, path: str) -> Config:
    """Read what the file at *path* holds; raises ValueError as `load` does."""
    import tomllib

    try:
        config = msgspec.convert(tomllib.loads(data.decode()), Config)
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, and of the fields
        raise ValueError(_bad(path, str(error).replace("Object", "it", 1))) from None
    if config.token_file is None:
        return config
    beside = os.path.join(os.path.dirname(path), os.path.expanduser(config.token_file))
    return msgspec.structs.replace(config, token_file=beside)


def _bad(path: str, why: str) -> str:
    from backends._show import show

    return f"The configuration file {show(path)} cannot be used: {show(why)}."
