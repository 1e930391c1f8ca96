"""A way through worlds as a story that a person can read."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from croc_core import channel as c
from tests.explorer.engine import Bounds, Engine, World
from tests.explorer.search import Found
from tests.explorer.world import Actor, Dead


def story(found: Found, sentence: str) -> str:
    """The shortest way to what is broken, step by step."""
    way = found.broken[sentence]
    engine = found.engine
    lines = [f"Broken: {sentence}.", f"  0. {_scene(engine, way[0])}"]
    for number, (before, after) in enumerate(pairwise(way), 1):
        last = found.steps[sentence] if number == len(way) - 1 else ""
        label, calm = _label(engine, before, after, last)
        lines.append(
            f"{number:3}. {label}{'' if calm else ' (!)'}{_changes(engine, before, after)}"
        )
    lines += [f"     There: {_scene(engine, way[-1])}", "     (!) a fault, a death or the outsider"]
    return "\n".join(lines)


def _label(engine: Engine, before: World, after: World, last: str) -> tuple[str, bool]:
    nexts = [n for n in engine.successors(before) if n.world == after]
    chosen = next((n for n in nexts if n.label == last), nexts[0])
    return chosen.label[0].upper() + chosen.label[1:], chosen.calm


def _state(actor: Actor) -> str:
    return f"dead in {actor.state.was}" if isinstance(actor.state, Dead) else _name(actor.state)


def _name(state: object) -> str:
    return type(state).__name__


def _channel(engine: Engine, world: World) -> c.Channel | None:
    found: c.Channel | None = engine.relays.values[world[0]].channel
    return found


def _scene(engine: Engine, world: World) -> str:
    sender, recipient = (engine.actors.values[part] for part in world[1:3])
    code = "" if recipient.right else " with a wrong code"
    channel = _channel(engine, world)
    place = "there is no channel" if channel is None else f"the channel is {_name(channel)}"
    if isinstance(channel, c.Open):
        place += f" with {', '.join(channel.addresses)} in"
    return f"sender {_state(sender)}, recipient {_state(recipient)}{code}; {place}."


def _changes(engine: Engine, before: World, after: World) -> str:
    said: list[str] = []
    for name, part in (("sender", 1), ("recipient", 2)):
        old, new = (_state(engine.actors.values[world[part]]) for world in (before, after))
        if old != new:
            said.append(f"{name}: {old} -> {new}")
    old_channel, new_channel = _channel(engine, before), _channel(engine, after)
    if old_channel != new_channel:
        said.append(f"channel: {_held(old_channel)} -> {_held(new_channel)}")
    return f"   [{'; '.join(said)}]" if said else ""


def _held(channel: Any) -> str:
    return "none" if channel is None else f"{_name(channel)} {channel.seq}"


def _bounds(bounds: Bounds) -> str:
    kind = "losses of connections or of the relay's memory" if bounds.losses else "faults"
    said = f"{bounds.faults} {kind}"
    if bounds.roams:
        said += " or of an address"
    if bounds.thin > 1:
        said += (
            f" ({'after the first ' if bounds.faults > 1 else ''}in one of {bounds.thin} worlds)"
        )
    when = " once the two have confirmed each other" if bounds.behind else ""
    return said + when


def _cases(found: Found) -> str:
    """What the runs were about."""
    cases = {found.engine.actors.values[world[2]].case for world in found.starts}
    said = []
    for case in sorted(cases, reverse=True):
        words = ["the right code" if case.right else "a wrong code"]
        words += [f"a {case.kept} part held"] if case.kept else []
        asks = [who for who, ask in zip(("sender", "recipient"), case.verify, strict=True) if ask]
        words += [f"{' and '.join(asks)} compare the words"] if asks else []
        words += [f"{case.streams + 1} connections"] if case.streams > 1 else []
        said.append(", ".join(words))
    return "; ".join(said)


def report(found: Found) -> str:
    """All that a search has found, for a person."""
    engine = found.engine
    bounds = engine.bounds
    space = "the whole space" if found.closed else "cut at the limit, then without further faults"
    where = sorted({tuple(engine.actors.values[p].address for p in w[1:3]) for w in found.starts})
    lines = [
        f"{_bounds(bounds)}, {bounds.outsider} deeds of the outsider, "
        f"{'both parties mortal' if bounds.mortal else 'nobody dies'}, "
        f"addresses {where}, {_cases(found)}",
        f"{found.states:,} states ({space}), {found.transitions:,} transitions, "
        f"depth {found.depth}, {found.seconds:.0f} s of one processor, "
        f"{found.states / max(found.seconds, 0.001):,.0f} states/s",
        f"{len(found.endings)} kinds of ending; those in which the file arrived: "
        + ", ".join(
            sorted(f"{a}/{b}" for a, b in found.endings if {"done", "unconfirmed"} & {a, b})
        ),
    ]
    lines.append(f"violations: {sum(found.counts.values())}")
    lines += [story(found, sentence) for sentence in found.broken]
    return "\n".join(lines)
