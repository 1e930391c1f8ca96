"""Forks that each have one mutant in them, and run tests until the first fails."""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import shutil
import signal
import struct
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.mutants.make import ROOT, Mutant
from tests.mutants.pool import ARGUMENTS, calm_hypothesis

KILLED, TIMED_OUT, SURVIVED = "killed", "timed out", "survived"
UNTRIED = "untried"
MEMORY = 4 << 30
"""Bytes of addresses that a fork may have."""
FAILED, NOT_HERE = 3, 4
"""The exit status of a fork in which a test failed; of one in which nothing could be changed."""
NOTHING_FAILED = (
    pytest.ExitCode.OK,
    pytest.ExitCode.USAGE_ERROR,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)
"""How pytest ends where no test has failed, as there may be none: a mutant survives that."""
AHEAD = (
    "hypothesis", "hypothesis.stateful", "hypothesis.strategies", "cryptography.exceptions",
    "cryptography.hazmat.primitives.ciphers.aead", "cryptography.hazmat.primitives.hashes",
    "cryptography.hazmat.primitives.asymmetric.x25519", "cryptography.hazmat.primitives.kdf.hkdf",
    "cryptography.hazmat.primitives.asymmetric.ec", "nacl.bindings", "msgspec", "h11", "mnemonic",
    "rich", "asyncio", "ipaddress", "json", "_pytest.pytester", "unittest.mock",
)  # fmt: skip
"""What is imported before the forks, so that none has to; nothing of the project."""


class Verdict(NamedTuple):
    """What became of a mutant, and by which test."""

    what: str
    by: str


@dataclass(frozen=True)
class Job:
    """A mutant and the tests to run with it, the likeliest to fail first."""

    mutant: Mutant
    tests: Sequence[str]


class Guard:
    """A plugin of pytest: tells which test runs, kills one that is too slow, ends at a failure."""

    def __init__(self, tell: int, tests: Sequence[str], seconds: dict[str, float]) -> None:
        self._tell = tell
        self._number = {name: number for number, name in enumerate(tests)}
        self._seconds = seconds

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        def number(item: pytest.Item) -> int | None:
            whole_file = self._number.get(item.nodeid.partition("::")[0])
            return self._number.get(item.nodeid, whole_file)

        self._number |= {item.nodeid: n for item in items if (n := number(item)) is not None}
        items[:] = sorted(
            (item for item in items if item.nodeid in self._number),
            key=lambda item: self._number[item.nodeid],
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        spent = self._seconds.get(item.nodeid, 1.0)
        os.write(self._tell, struct.pack("<I", self._number[item.nodeid]))
        signal.setitimer(signal.ITIMER_PROF, 1 + 4 * spent)  # of the processor
        signal.setitimer(signal.ITIMER_REAL, 10 + 10 * spent)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is not None and not isinstance(call.excinfo.value, pytest.skip.Exception):
            os._exit(FAILED)


def _limit(scratch: str) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    for number in (signal.SIGPROF, signal.SIGALRM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tempfile.tempdir = scratch
    signal.setitimer(signal.ITIMER_PROF, 60)  # for what is before the first test


def forks(
    jobs: Iterator[Job], act: Callable[[Job, int, str], None], workers: int
) -> Iterator[tuple[Job, Verdict]]:
    """Each job in a fork of its own, where *act* is called; so many at a time."""
    running: dict[int, tuple[Job, int, str]] = {}
    left = True
    while left or running:
        while left and len(running) < workers:
            job = next(jobs, None)
            if job is None:
                left = False
                break
            out, into = os.pipe()
            scratch = tempfile.mkdtemp(prefix="mutant-")
            if not (child := os.fork()):
                os.close(out)
                try:
                    _limit(scratch)
                    act(job, into, scratch)
                except BaseException:
                    os._exit(FAILED)
                os._exit(0)
            os.close(into)
            running[child] = (job, out, scratch)
        if running:
            ended, status = os.wait()
            if ended not in running:
                continue
            job, out, scratch = running.pop(ended)
            yield job, _verdict(job, status, out)
            os.close(out)
            shutil.rmtree(scratch, ignore_errors=True)


def _verdict(job: Job, status: int, out: int) -> Verdict:
    os.set_blocking(out, False)
    told = b""
    while True:
        try:
            part = os.read(out, 1 << 16)
        except BlockingIOError:  # a process that it left behind still holds the other end
            break
        if not part:
            break
        told += part
    by = job.tests[struct.unpack("<I", told[-4:])[0]] if told else "(import)"
    if os.WIFSIGNALED(status):
        slow = os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM)
        return Verdict(TIMED_OUT if slow else KILLED, by)
    how = {0: SURVIVED, NOT_HERE: UNTRIED}.get(os.WEXITSTATUS(status), KILLED)
    return Verdict(how, by if how == KILLED else "")


# --- warm: everything is imported, the code of one function is changed --------------------------


def _code(source: str, file: str, function: str) -> types.CodeType | None:
    """The code of a function in *source*, if there is just one of that name."""
    found = [compile(source, str(ROOT / file), "exec", dont_inherit=True)]
    for name in function.split("."):
        found = [
            const
            for code in found
            for const in code.co_consts
            if isinstance(const, types.CodeType) and const.co_name == name
        ]
    return found[0] if len(found) == 1 else None


def _live(file: str, function: str) -> types.FunctionType | None:
    """The function as it is imported, without what decorates it."""
    there: Any = sys.modules.get(_module(file))
    for name in function.split("."):
        if there is None:
            return None
        there = vars(there).get(name)
    seen = 0
    while not isinstance(there, types.FunctionType) or hasattr(there, "__wrapped__"):
        seen += 1
        if there is None or seen > 5:
            return None
        if isinstance(there, staticmethod | classmethod):
            there = there.__func__
        elif isinstance(there, property):
            there = there.fget
        elif isinstance(there, functools.cached_property):
            there = there.func
        else:
            there = getattr(there, "__wrapped__", None)
    return there


def _module(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def swap(mutant: Mutant) -> bool:
    """Put the mutant's code into the function; False where that cannot be done."""
    code = _code(mutant.source, mutant.file, mutant.function)
    live = _live(mutant.file, mutant.function)
    if code is None or live is None or live.__code__.co_freevars != code.co_freevars:
        return False
    live.__code__ = code
    return True


class _Serve:
    """A plugin of pytest that forks for each job in place of a run of its tests."""

    def __init__(
        self,
        jobs: Iterator[Job],
        seconds: dict[str, float],
        tell: Callable[[Job, Verdict], None],
        workers: int,
    ) -> None:
        self._jobs = jobs
        self._seconds = seconds
        self._tell = tell
        self._workers = workers

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}

        def act(job: Job, into: int, scratch: str) -> None:
            if not swap(job.mutant):
                os._exit(NOT_HERE)  # it is imported later
            config = session.config
            config._tmp_path_factory._basetemp = Path(scratch)  # type: ignore[attr-defined]
            config.pluginmanager.register(Guard(into, job.tests, self._seconds))
            chosen = [items[name] for name in job.tests if name in items]
            for item, after in zip(chosen, [*chosen[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)

        gc.collect()
        gc.freeze()
        for job, verdict in forks(self._jobs, act, self._workers):
            self._tell(job, verdict)
        return True


def warm(
    files: Sequence[str],
    jobs: Iterator[Job],
    seconds: dict[str, float],
    tell: Callable[[Job, Verdict], None],
    workers: int,
) -> None:
    """Run the jobs on changed functions; imports the project into this very process."""
    calm_hypothesis()
    pytest.main([*ARGUMENTS, *files], plugins=[_Serve(jobs, seconds, tell, workers)])


# --- cold: nothing of the project is imported before the mutant is ------------------------------


class _Loader(importlib.machinery.SourceFileLoader):
    source = ""

    def get_code(self, fullname: str) -> types.CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, file: str, source: str) -> None:
        self._name, self._path, self._source = _module(file), str(ROOT / file), source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._path)
        loader.source = self._source
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


def cold(
    jobs: Iterator[Job], seconds: dict[str, float], workers: int
) -> Iterator[tuple[Job, Verdict]]:
    """Run the jobs with the changed file imported in place of what it was."""
    for name in AHEAD:
        importlib.import_module(name)
    if any(name.split(".")[0] == "croc_core" for name in sys.modules):
        raise AssertionError("the core is imported already")

    def act(job: Job, into: int, scratch: str) -> None:
        sys.meta_path.insert(0, _Finder(job.mutant.file, job.mutant.source))
        calm_hypothesis()
        files = list(dict.fromkeys(name.partition("::")[0] for name in job.tests))
        where = f"--basetemp={scratch}/pytest"
        plugins = [Guard(into, job.tests, seconds)]
        status = pytest.main([*ARGUMENTS, "-x", where, *files], plugins=plugins)
        os._exit(0 if status in NOTHING_FAILED else FAILED)

    gc.collect()
    gc.freeze()
    yield from forks(jobs, act, workers)
