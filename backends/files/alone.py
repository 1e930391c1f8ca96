"""One at a time: what the loop closes may be in use by another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S", bound="Alone")


class Alone:
    """Has a lock, which `alone` takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()


def alone(method: Callable[Concatenate[_S, _P], _R]) -> Callable[Concatenate[_S, _P], _R]:
    """Let no two calls of such methods of one object overlap; none may call another."""

    @wraps(method)
    def locked(self: _S, /, *args: _P.args, **keywords: _P.kwargs) -> _R:
        with self._lock:
            return method(self, *args, **keywords)

    return locked
