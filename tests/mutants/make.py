"""The mutants of a file, made by mutmut's default operators."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import (
    NEVER_MUTATE_FUNCTION_NAMES,
    MutationVisitor,
    OuterFunctionProvider,
    deep_replace,
)
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("croc_core/**/*.py"))


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    file: str
    function: str
    """Its qualified name, or "" where the change is not within one."""
    line: int
    was: str
    now: str
    nth: int
    """Which one of those that read the same."""
    source: str
    """The whole file with the change in it."""
    body: bool
    """Whether the change is in the body of a function, and nowhere else."""
    span: tuple[int, int] = (0, 0)
    """The first and last line of that body."""

    @property
    def key(self) -> str:
        return f"{self.file}::{self.function}: {self.was} => {self.now} #{self.nth}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}\n    - {self.was}\n    + {self.now}"


class _Visitor(MutationVisitor):
    """All that mutmut's operators make, in decorated functions too.

    mutmut leaves these out because of the way in which it switches between mutants.
    """

    METADATA_DEPENDENCIES = (PositionProvider, OuterFunctionProvider)

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef):
            return node.name.value in NEVER_MUTATE_FUNCTION_NAMES
        return bool(super()._skip_node_and_children(node))


def _names(tree: ast.Module) -> list[tuple[int, int, int, str]]:
    """First line, that of its body, last line and qualified name of each function and method."""
    found = []

    def look(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                last = node.end_lineno or node.lineno
                found.append((node.lineno, node.body[0].lineno, last, prefix + node.name))
            elif isinstance(node, ast.ClassDef):
                look(node.body, f"{prefix}{node.name}.")

    look(tree.body, "")
    return found


def _flat(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def _changed(before: str, after: str) -> tuple[int, str, str]:
    """The first line that differs (from 0), and what the lines that differ are, joined."""
    old, new = before.split("\n"), after.split("\n")
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    was, now = old[head : len(old) - tail], new[head : len(new) - tail]
    return head, _flat(was), _flat(now)


def _in_body(mutation: object, function: cst.CSTNode | None) -> bool:
    if not isinstance(function, cst.FunctionDef):
        return False
    todo: list[cst.CSTNode] = [function.body]
    original = mutation.original_node  # type: ignore[attr-defined]
    while todo:
        node = todo.pop()
        if node is original:
            return True
        todo.extend(node.children)
    return False


def mutants(file: str, root: Path = ROOT) -> list[Mutant]:
    """Every mutant of *file*, in the order of the source."""
    code = (root / file).read_text()
    visitor = _Visitor(mutation_operators, IgnoredCode(set(), set(), set()))
    module = MetadataWrapper(cst.parse_module(code)).visit(visitor)
    statements = list(module.body)
    texts = [module.code_for_node(statement) for statement in statements]
    head = "".join(module.code_for_node(line) for line in module.header)
    foot = "".join(module.code_for_node(line) for line in module.footer)
    if head + "".join(texts) + foot != code:
        raise AssertionError(f"{file} does not come back as it was")
    owner = {}
    for number, statement in enumerate(statements):
        todo: list[cst.CSTNode] = [statement]
        while todo:
            node = todo.pop()
            owner[node] = number
            todo.extend(node.children)
    spans = _names(ast.parse(code))
    made: list[Mutant] = []
    seen: set[str] = {code}
    count: dict[tuple[str, str, str], int] = {}
    for one in visitor.mutations:
        number = owner[one.original_node]
        changed = deep_replace(statements[number], one.original_node, one.mutated_node)
        assert isinstance(changed, cst.CSTNode)
        text = module.code_for_node(changed)
        source = head + "".join([*texts[:number], text, *texts[number + 1 :]]) + foot
        if source in seen:
            continue
        seen.add(source)
        before = (head + "".join(texts[:number])).count("\n")
        at, was, now = _changed(texts[number], text)
        line = before + at + 1
        low, high, function = next(
            ((body, high, name) for low, body, high, name in spans if low <= line <= high),
            (0, 0, ""),
        )
        nth = count[function, was, now] = count.get((function, was, now), -1) + 1
        body = _in_body(one, one.contained_by_top_level_function)
        made.append(Mutant(file, function, line, was, now, nth, source, body, (low, high)))
    return sorted(made, key=lambda mutant: mutant.line)
