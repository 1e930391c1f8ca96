"""What is checked, and how: `nox` runs what CI runs, `nox -s NAME` one part, `nox -l` lists all."""

from __future__ import annotations

import sys

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "none"  # everything runs in the environment that nox is in
nox.options.sessions = ["lint", "types", "tests", "conformance", "explore", "simulate"]
nox.options.stop_on_first_error = True

PLACES = ("croc_core", "backends", "conformance", "tests", "benchmarks", "docs", "noxfile.py")


def python(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a module with the interpreter that runs nox, whatever the PATH says."""
    session.run(sys.executable, "-m", module, *arguments, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and order of the source."""
    python(session, "ruff", "check", *PLACES)
    python(session, "ruff", "format", "--check", *PLACES)


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    python(session, "mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test on two processes; every branch of the core has to be taken."""
    cover = ("--cov", "--cov-report=term:skip-covered", "--cov-fail-under=100")
    python(session, "pytest", "-n", "2", *cover, *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documents against the code: vectors, requirements, drawings, links, examples."""
    python(session, "pytest", "-k", "doc", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Every case of the conformance suite on every backend, and the cross matrix."""
    python(session, "conformance", "project", *session.posargs)


@nox.session
def explore(session: nox.Session) -> None:
    """Every state that relay, sender, recipient and an outsider can reach; `-- --deep` for more."""
    python(session, "tests.explorer", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Whole transfers under faults, in virtual time; `-- --runs 2000` for more."""
    arguments = session.posargs or ("--seed", "1", "--runs", "300")
    python(session, "backends.memory", "simulate", *arguments)


@nox.session
def mutants(session: nox.Session) -> None:
    """Every mutant of the core against the tests; `-- --short` for some, chosen by a seed."""
    if not session.posargs:
        python(session, "tests.mutants.by_hand")
    python(session, "tests.mutants", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Bytes of any kind at every decoder; `-- --seconds N` for longer."""
    python(session, "tests.fuzz", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Speed, memory and cost beside plaintext; `-- --only gib`, `--quick`; `--ci` is a check."""
    python(session, "benchmarks", *session.posargs)


@nox.session
def defences(session: nox.Session) -> None:
    """Each defence of docs/threat-model.md taken out in turn: its test has to fail."""
    python(session, "tests.defences", *session.posargs)


@nox.session
def load(session: nox.Session) -> None:
    """A relay under load with a stranger beside it; `-- --channels 200 --pairs 20` for less."""
    python(session, "benchmarks.load", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Whole transfers whose processes are killed, and other faults; `-- --runs 300` for more."""
    python(session, "tests.faults", *(session.posargs or ("--runs", "40", "--others", "2")))


@nox.session
def audit(session: nox.Session) -> None:
    """Rules of security over the source, known holes in what is installed; `-- --strict`."""
    python(session, "ruff", "check", "--select", "S", "--ignore", "S101", *PLACES)
    python(session, "tests.audit", *session.posargs)
