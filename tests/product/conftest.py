"""A relay and both parties by the library faces, or the command line, of one backend at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aio import leftovers
from tests.cli_help import Run, Shell
from tests.test_breaks import World as BreakingWorld
from tests.test_face import World


@pytest.fixture(params=["asyncio", "threading"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def world(backend: str, tmp_path: Path) -> Iterator[World]:
    before = leftovers()
    made = World(backend, tmp_path / "in")
    yield made
    made.relay.stop()
    assert leftovers() == before


@pytest.fixture
def breaking(backend: str, tmp_path: Path) -> Iterator[BreakingWorld]:
    """A file of 24 MiB, and a relay behind a box that cuts connections when it is told to."""
    before = leftovers()
    made = BreakingWorld(tmp_path, backend, 1, 24 << 20)
    yield made
    made.close()
    assert leftovers() == before


class Commands(Shell):
    """The command line of one backend."""

    def __init__(self, folder: Path, backend: str) -> None:
        super().__init__(folder)
        self._module = f"backends.{backend}"

    def croc(self, *arguments: object, terminal: bool = False, json: bool = True,
             **variables: str) -> Run:  # fmt: skip
        command, *rest = map(str, arguments)
        flags = ["--json"] if json else []
        line = ["-m", self._module, command, *flags, *rest]
        return self.start(line, terminal, variables, not json)


@pytest.fixture
def sh(backend: str, tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path, backend)
    yield made
    made.close()
