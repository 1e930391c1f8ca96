"""A case: one plain function that plays with a subject and says where a requirement is not kept.

    @case(Part.RELAY, "join-unknown", "JOIN-4")
    def join_unknown(relay: RelayUnderTest) -> None:
        "A join of a channel that does not exist is 404."
        reply = relay.post("/join", role="recipient", channel=relay.fresh_name())
        expect(reply.says(404, "no_such_channel"), f"the relay answered {reply}")

A case that ends has passed. `expect` and a deadline that passes fail it; where all of its
requirements are SHOULDs, that is only NON-STRICT. `skip` says why it cannot be judged here.
"""

from __future__ import annotations

import enum
import fnmatch
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, TypeVar

from conformance.requirements import REQUIREMENTS

LIMIT = 600.0
"""How long a case may take in all, in seconds, before it is given up: it hangs where it must not.

Each of its waits has a deadline of its own, which is shorter."""
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Part(enum.StrEnum):
    """What kind of subject a case judges."""

    RELAY = "relay"
    SENDER = "sender"
    RECIPIENT = "recipient"


class Need(enum.StrEnum):
    """What a case needs of where the subject runs; where that is missing it is SKIPPED."""

    ADDRESSES = "addresses"
    """The suite can speak to the subject from 127.0.0.1, 127.0.0.2 and 127.0.0.3."""
    FLOOD = "flood"
    """Hundreds of connections may be opened without harm to others."""
    FLAGS = "flags"
    """The subject is started by the suite, with the limits that the case asks for."""


class Grade(enum.StrEnum):
    """The verdict of one case."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    NON_STRICT = "NON-STRICT"
    SKIPPED = "SKIPPED"


class UnmetError(AssertionError):
    """The subject did not do what it must."""


class SkippedError(Exception):
    """The case cannot be judged here."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to judge."""

    id: str
    """A slug that never changes its meaning."""
    part: Part
    requirements: tuple[str, ...]
    """Ids in docs/protocol.md; the first is the main one."""
    run: Callable[[Any], None] = field(repr=False)
    needs: frozenset[Need] = frozenset()
    flags: tuple[tuple[str, str], ...] = ()
    """What the subject has to be started with, such as ("--handshake-timeout", "1")."""
    limit: float = LIMIT

    @property
    def title(self) -> str:
        """One sentence for people."""
        return (self.run.__doc__ or self.id).strip().splitlines()[0]

    @property
    def area(self) -> str:
        """Where it stands: the last part of its module's name."""
        return self.run.__module__.rpartition(".")[2]

    @property
    def texts(self) -> tuple[str, ...]:
        """Its requirements, word for word."""
        return tuple(REQUIREMENTS[name] for name in self.requirements)

    @property
    def strict(self) -> bool:
        """Whether a MUST is among its requirements."""
        return any(is_must(name) for name in self.requirements)


def is_must(requirement: str) -> bool:
    """Say whether the requirement with this id is a MUST or MUST NOT."""
    return re.search(r"\bMUST\b", REQUIREMENTS[requirement]) is not None


CASES: dict[str, Case] = {}
"""All cases whose modules have been imported, by id."""
Run = TypeVar("Run", bound=Callable[[Any], None])


def case(
    part: Part,
    slug: str,
    *requirements: str,
    needs: tuple[Need, ...] = (),
    flags: Mapping[str, object] | None = None,
    limit: float = LIMIT,
) -> Callable[[Run], Run]:
    """Enter the decorated function as a case. Raises ValueError where it is not well formed.

    *flags* are those of docs/protocol.md 11.1 without dashes: `{"idle_timeout": 2}`; a case that
    has some needs a subject that the suite starts itself.
    """
    given = tuple((f"--{name.replace('_', '-')}", str(v)) for name, v in (flags or {}).items())
    wanted = {*needs, Need.FLAGS} if given else {*needs}

    def take(run: Run) -> Run:
        unknown = [name for name in requirements if name not in REQUIREMENTS]
        if slug in CASES or not _SLUG.fullmatch(slug) or unknown or not requirements:
            raise ValueError(
                f"the case {slug!r} is there twice, or names no requirement: {unknown}"
            )
        if not run.__doc__:
            raise ValueError(f"the case {slug!r} does not say what it judges")
        CASES[slug] = Case(slug, part, requirements, run, frozenset(wanted), given, limit)
        return run

    return take


def enter(*packages: Literal["relay", "client"]) -> None:
    """Enter the cases of these packages of `conformance`."""
    for name in packages:
        importlib.import_module(f"conformance.{name}")


def cases(*parts: Part) -> Iterator[Case]:
    """The cases of these parts that have been imported, in order."""
    return (one for one in CASES.values() if one.part in parts)


def chosen(pattern: str, *parts: Part) -> Iterator[Case]:
    """The cases of these parts whose id fits a shell *pattern*."""
    return (one for one in cases(*parts) if fnmatch.fnmatchcase(one.id, pattern))


def expect(kept: object, sentence: str) -> None:
    """Fail the case with *sentence*, which says what was seen, unless *kept*."""
    if not kept:
        raise UnmetError(sentence)


def skip(reason: str) -> NoReturn:
    """Leave the case: it cannot be judged, for this reason."""
    raise SkippedError(reason)
