"""The order of the house: no I/O in the core, imports go downward, backends stand apart."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parent.parent
IO = {
    "asyncio", "concurrent", "http", "multiprocessing", "os", "pathlib", "random", "secrets",
    "select", "selectors", "shutil", "signal", "socket", "socketserver", "ssl", "subprocess",
    "tempfile", "threading", "time", "datetime", "urllib", "uuid", "logging", "sys",
}  # fmt: skip
ORDER = (
    "values errors encoding relay_io content limits timers table resume",
    "wire names identify events failures codes messages seal heads",
    "channel parser selection outgoing party_io pake",
    "judge book machine incoming handshake",
    "links party contexts",
    "relay party_judge reconnect",
    "reconnect_judge many",
    "many_judge sender_states recipient_states",
    "sender_rejoin recipient_rejoin sender_join recipient_join recipient_offer",
    "sender recipient",
    "sender_rejoin_judge recipient_rejoin_judge",
    "sender_link_judge recipient_link_judge",
    "sender_judge recipient_judge",
)
"""The core's modules, lowest first; a module imports from its own row and those above it here."""


def modules(package: str) -> dict[str, ast.Module]:
    """Every module below *package*, by its dotted name."""
    found = {}
    for file in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(file.read_text())
    return found


def imported(tree: ast.Module) -> Iterator[str]:
    """The names that *tree* imports: modules, and what is taken out of packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


CORE = modules("croc_core")
BACKENDS = modules("backends")


@pytest.mark.parametrize("name", CORE)
def test_the_core_has_no_io(name: str) -> None:
    roots = {target.split(".")[0] for target in imported(CORE[name])}
    assert not roots & IO
    assert not roots & {"backends", "conformance", "tests", "h11", "rich"}
    calls = [
        n.func.id
        for n in ast.walk(CORE[name])
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    ]
    assert not {"open", "print", "input"} & set(calls)


def level(module: str) -> int:
    """The row of ORDER that *module* stands in."""
    first = module.split(".")[1]
    rows = [number for number, row in enumerate(ORDER) if first in row.split()]
    assert len(rows) == 1, f"{module} has no place in ORDER"
    return rows[0]


@pytest.mark.parametrize("name", [name for name in CORE if name != "croc_core"])
def test_the_core_imports_downward(name: str) -> None:
    own = level(name)
    for target in imported(CORE[name]):
        if target.startswith("croc_core."):
            assert level(target) <= own, f"{name} imports {target}"


def test_the_core_has_no_cycles() -> None:
    graph = {
        name: {
            m
            for m in CORE
            for t in imported(tree)
            if m != name and (t == m or t.startswith(m + "."))
        }
        - {"croc_core"}
        for name, tree in CORE.items()
    }
    left = dict(graph)
    while left:
        free = [
            name
            for name, needs in left.items()
            if not needs & set(left) - {name.rpartition(".")[0]}
        ]
        assert free, f"a cycle among {sorted(left)}"
        for name in free:
            del left[name]


@pytest.mark.parametrize("name", BACKENDS)
def test_backends_do_not_know_each_other(name: str) -> None:
    own = name.split(".")[1] if name.count(".") > 1 else name.split(".")[-1]
    siblings = {"asyncio", "threading", "memory"} - {own}
    for target in imported(BACKENDS[name]):
        parts = target.split(".")
        assert not (parts[0] == "backends" and len(parts) > 2 and parts[1] in siblings), target
        assert parts[0] not in {"conformance", "tests"}


@pytest.mark.parametrize(
    "name", [n for n in BACKENDS if n.split(".")[1:2] and n.split(".")[1].startswith("_")]
)
def test_shared_modules_know_no_loop(name: str) -> None:
    assert not {t.split(".")[0] for t in imported(BACKENDS[name])} & {"asyncio"}
