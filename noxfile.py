"""What is checked, and how: `nox` runs all of it, `nox -s NAME` one part, `nox -l` lists them."""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "none"  # everything runs where nox is installed
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_missing_interpreters = True

PLACES = ("croc_core", "backends", "conformance", "tests", "benchmarks", "docs", "noxfile.py")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and order of the source."""
    session.run("ruff", "check", *PLACES)
    session.run("ruff", "format", "--check", *PLACES)


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, with the core's branches counted."""
    session.run("python", "-m", "pytest", "--cov", "--cov-report=term:skip-covered", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documents against the code: vectors, requirements, drawings, links, examples."""
    session.run("python", "-m", "pytest", "-k", "doc", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Every case of the conformance suite on every backend, and the cross matrix."""
    session.run("python", "-m", "conformance", "project", *session.posargs)
