"""Worlds and what can become of them.

The parts (relay, sender, recipient, outsider) are numbered: a world is five small numbers, and each
step of a part is computed once. `Engine.successors` puts the parts together again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from croc_core.errors import LocalProtocolError
from croc_core.relay_io import Effect, Input, LinkLost, PairEnded, Staple
from croc_core.values import Role
from tests.explorer import hands as h
from tests.explorer import network, properties, relays, strangers
from tests.explorer.actions import (
    BRIEF,
    CALM,
    CROWD,
    DEATH,
    FAULT,
    LATE,
    LOSS,
    OVER,
    PAUSE,
    ROAM,
    Actions,
    Kind,
)
from tests.explorer.world import (
    ADDRESSES,
    END,
    JUNK,
    OUTSIDER,
    RECIPIENT,
    RIGHT,
    SENDER,
    Actor,
    Came,
    Case,
    Delivery,
    Emission,
    Ended,
    Link,
    Old,
    Outsider,
    Restarted,
    ToPeer,
    ToRelay,
    owner,
)

World = tuple[int, int, int, int, int]
"""Numbers of the relay, sender, recipient and outsider, and how many faults may still come."""


class Bounds(NamedTuple):
    """How much may go wrong."""

    faults: int = 2
    outsider: int = 2
    """How many things the outsider gets done; what is refused is tried in every state."""
    mortal: bool = True
    losses: bool = False
    """Only connections are lost, and the relay's memory, once both have confirmed each other; no
    deadline passes early, and that of a loss only where the other side's run is over. Then both
    must end well."""
    roams: bool = False
    """With `losses`: addresses change, too."""
    behind: bool = False
    """Nothing goes wrong before the two have confirmed each other."""
    thin: int = 1
    """Faults come in one of so many worlds alone, spread over all of the space."""
    fresh_pairs: bool = False
    """Give each staple a number of its own: the run without reduction."""


class Option(NamedTuple):
    """Something that can happen to an actor by itself."""

    label: str
    after: int
    emissions: tuple[Emission, ...]


class RelayStep(NamedTuple):
    """What an input does to a relay."""

    after: int
    deliveries: tuple[tuple[int, Delivery], ...]
    staples: tuple[Staple, ...]
    bad: str


class Next(NamedTuple):
    """A world that can come next."""

    calm: bool
    """Whether it comes without faults, deaths and outsiders."""
    label: str
    world: World
    bad: str
    """Which property the step breaks."""


class Names:
    """Numbers for values."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def __call__(self, value: Any, key: Any) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.values)
            self.values.append(value)
        return number


class Engine:
    """All that can happen, under some bounds."""

    def __init__(
        self, bounds: Bounds, parts: h.Parts | None = None, *, reconnects: bool = True
    ) -> None:
        self.bounds = bounds
        self.hands = h.Hands(parts or h.Parts(), reconnects=reconnects)
        self._actions = Actions(self.hands, mortal=bounds.mortal)
        self.relays, self.actors, self.outsiders = Names(), Names(), Names()
        self.marks: list[properties.Marks] = []
        """For each actor, what the properties of a world need to know of it."""
        self.relay_bad: list[str] = []
        """For each relay, which property its state breaks."""
        self._steps: dict[tuple[int, tuple[Input, ...]], RelayStep] = {}
        self._absorbed: dict[tuple[int, Delivery], tuple[int, tuple[Emission, ...]]] = {}
        self._options: dict[int, tuple[tuple[Option, ...], ...]] = {}
        self._overdue: dict[int, tuple[tuple[Kind, str, RelayStep], ...]] = {}
        self._strange: dict[tuple[int, int], tuple[tuple[int, str, int, RelayStep], ...]] = {}

    # ---- numbers

    def actor(self, actor: Actor) -> int:
        number = self.actors(actor, actor)
        if number == len(self.marks):
            over, idle = self.hands.over(actor), not self.hands.started(actor)
            self.marks.append(properties.marks(actor, over=over, idle=idle))
        return number

    def relay(self, node: relays.Node) -> int:
        number = self.relays(node, relays.name_of(node))
        if number == len(self.relay_bad):
            self.relay_bad.append(properties.relay_state(node))
        return number

    def outsider(self, who: Outsider) -> int:
        return self.outsiders(who, who)

    def start(self, case: Case = RIGHT, *, together: bool = False) -> World:
        """The beginning of a run about *case*; behind one address or two."""
        home = ADDRESSES[SENDER] if together else ADDRESSES[RECIPIENT]
        sender = Actor(Role.SENDER, self.hands.sender.start(), case, ADDRESSES[SENDER])
        recipient = Actor(Role.RECIPIENT, self.hands.recipient.start(), case, home, kept=case.kept)
        return (
            self.relay(relays.fresh()),
            self.actor(sender),
            self.actor(recipient),
            self.outsider(Outsider(self.bounds.outsider)),
            self.bounds.faults,
        )

    def over(self, world: World) -> bool:
        """Whether both runs have ended; a recipient who was never told a code need not begin."""
        sender, recipient = self.marks[world[1]], self.marks[world[2]]
        return sender.over and (recipient.over or (recipient.idle and not sender.shown))

    def ending(self, world: World) -> tuple[str, str]:
        """How sender and recipient have ended, in a word each."""
        sender, recipient = (properties.ending(self.actors.values[part]) for part in world[1:3])
        return sender, recipient

    def undisturbed(self, world: World) -> bool:
        """Whether nothing has gone wrong on the way: no fault, no death, no outsider."""
        dead = self.marks[world[1]].dead or self.marks[world[2]].dead
        return world[3] == 0 and world[4] == self.bounds.faults and not dead

    # ---- steps of the parts, each computed once

    def _relay_step(self, relay: int, inputs: tuple[Input, ...]) -> RelayStep:
        key = (relay, inputs)
        found = self._steps.get(key)
        if found is None:
            node = self.relays.values[relay]
            try:
                after, effects = relays.act(node, inputs, self.bounds.fresh_pairs)
                found = self._stepped(relay, after, inputs, effects)
            except LocalProtocolError as bug:
                found = RelayStep(relay, (), (), f"the relay refuses what happened: {bug}")
            self._steps[key] = found
        return found

    def _stepped(
        self, relay: int, node: relays.Node, inputs: tuple[Input, ...], effects: tuple[Effect, ...]
    ) -> RelayStep:
        before, after = self.relays.values[relay], self.relay(node)
        bad = properties.relay_step(before, node, inputs, effects, relay == after)
        staples = tuple(e for e in effects if isinstance(e, Staple))
        return RelayStep(after, relays.deliveries(effects), staples, bad)

    def _absorb(self, actor: int, delivery: Delivery) -> tuple[int, tuple[Emission, ...]]:
        key = (actor, delivery)
        found = self._absorbed.get(key)
        if found is None:
            after, out = network.absorb(self.actors.values[actor], delivery)
            found = self._absorbed[key] = (self.actor(after), out)
        return found

    def _kinds(self, actor: int) -> tuple[tuple[Option, ...], ...]:
        """What can happen to this actor by itself, by kind."""
        found = self._options.get(actor)
        if found is None:
            kinds: list[list[Option]] = [[] for _ in Kind]
            for kind, label, (after, out) in self._actions.possible(self.actors.values[actor]):
                number = self.actor(after)
                if number != actor or out:  # what changes nothing leads nowhere
                    kinds[kind].append(Option(label, number, out))
            found = self._options[actor] = tuple(map(tuple, kinds))
        return found

    def _relay_kinds(self, relay: int) -> tuple[tuple[Kind, str, RelayStep], ...]:
        """What the relay's deadlines and its operator do."""
        found = self._overdue.get(relay)
        if found is None:
            node = self.relays.values[relay]
            steps = [
                (LATE if waits else FAULT, what, self._stepped(relay, after, (), effects))
                for what, waits, after, effects in relays.overdue(node)
            ]
            if node.book.channels:
                news = tuple((who, Restarted()) for who in (SENDER, RECIPIENT, OUTSIDER))
                again = RelayStep(self.relay(relays.restarted(node)), news, (), "")
                steps.append((LOSS, "the relay is started anew", again))
            found = self._overdue[relay] = tuple(steps)
        return found

    def _strangers(self, outsider: int, relay: int) -> tuple[tuple[int, str, int, RelayStep], ...]:
        """What the outsider gets done at this relay: (faults, label, itself after, step)."""
        key = (outsider, relay)
        found = self._strange.get(key)
        if found is None:
            who = self.outsiders.values[outsider]
            possible = []
            for luck, label, inputs in strangers.attempts(who, self.relays.values[relay].channel):
                step = self._relay_step(relay, inputs)
                if step.after == relay and not step.bad:
                    continue  # refused, or a repeat: nothing has changed
                after = strangers.after(who, inputs, step.deliveries)
                possible.append(
                    (luck, label, self.outsider(after._replace(left=who.left - 1)), step)
                )
            found = self._strange[key] = tuple(possible)
        return found

    # ---- worlds

    def successors(self, world: World) -> list[Next]:
        """All that can come next."""
        relay, sender, recipient, outsider, left = world
        found: list[Next] = []
        self._party_moves(world, CALM, 0, found)
        busy = bool(found)
        self._party_moves(world, PAUSE, 0, found)
        waits = found or any(self._kinds(part)[BRIEF] for part in (sender, recipient))
        costs = self._costs(world, busy, bool(waits))
        for kind, cost in costs.items():
            if cost >= 0:
                self._party_moves(world, kind, cost, found)
        for kind, label, step in self._relay_kinds(relay):
            cost = costs.get(kind, -1)
            if cost >= 0:
                parts = [relay, sender, recipient, outsider]
                found.append(self._stepped_on(not cost, label, parts, step, left - cost))
        if self.outsiders.values[outsider].left and DEATH in costs:
            self._stranger_moves(world, found)
        return found

    def _costs(self, world: World, busy: bool, waits: bool) -> dict[Kind, int]:
        """How many faults it takes for each kind that may come now, beside what is calm."""
        bounds, left = self.bounds, world[4]
        ours, theirs = self.marks[world[1]], self.marks[world[2]]
        bonded = ours.bonded and theirs.bonded
        costs = {BRIEF: int(busy), LATE: int(waits), OVER: int(busy)}
        if bounds.losses:
            alone = ours.over or theirs.over  # nobody will come back
            costs = {k: cost for k, cost in costs.items() if not cost and (alone or k is not OVER)}
            costs |= {CROWD: 1, LOSS: 1} if bonded else {}
            costs |= {ROAM: 1} if bonded and bounds.roams else {}
        elif bonded or not bounds.behind:
            costs |= {CROWD: 1, LOSS: 1, ROAM: 1, FAULT: 1, DEATH: 0}
        else:
            costs = {kind: cost for kind, cost in costs.items() if not cost}
        if hash(world[:3]) % bounds.thin:
            left = 0
        return {kind: cost for kind, cost in costs.items() if cost <= left}

    def _party_moves(self, world: World, kind: Kind, cost: int, found: list[Next]) -> None:
        relay, sender, recipient, outsider, left = world
        calm = not cost and kind != DEATH
        untold = self.marks[recipient].idle and not self.marks[sender].shown
        for who in (SENDER,) if untold else (SENDER, RECIPIENT):
            for label, after, out in self._kinds(world[1 + who])[kind]:
                parts = [relay, sender, recipient, outsider]
                parts[1 + who] = after
                found.append(self._settled(calm, label, parts, who, out, left - cost))

    def _stranger_moves(self, world: World, found: list[Next]) -> None:
        relay, sender, recipient, outsider, left = world
        for luck, label, after, step in self._strangers(outsider, relay):
            if left >= luck:
                parts = [relay, sender, recipient, after]
                found.append(self._stepped_on(False, label, parts, step, left - luck))
        who: Outsider = self.outsiders.values[outsider]
        if not who.line:
            return
        fewer = who._replace(left=who.left - 1)
        gone = self.outsider(fewer._replace(line=b"", pair=0))
        parts = [relay, sender, recipient, gone]
        label = "the outsider hangs up"
        out: tuple[Emission, ...] = (Ended(who.pair),)
        if not who.pair:
            out = (ToRelay((LinkLost(strangers.LINK), LinkLost(strangers.LINK + 1))),)
        found.append(self._settled(False, label, parts, OUTSIDER, out, left))
        if who.pair:
            parts = [relay, sender, recipient, self.outsider(fewer)]
            label = "the outsider sends what it likes"
            junk = (ToPeer(who.pair, (JUNK,)),)
            found.append(self._settled(False, label, parts, OUTSIDER, junk, left))

    def _settled(
        self,
        calm: bool,
        label: str,
        parts: list[int],
        who: int,
        out: tuple[Emission, ...],
        left: int,
    ) -> Next:
        """The world once all has come to where it was sent."""
        bad = self._flow(parts, [(who, one) for one in out]) if out else ""
        relay, sender, recipient, outsider = parts
        return Next(calm, label, (relay, sender, recipient, outsider, left), bad)

    def _stepped_on(
        self, calm: bool, label: str, parts: list[int], step: RelayStep, left: int
    ) -> Next:
        queue: list[tuple[int, Emission]] = []
        bad = self._apply(parts, step, queue)
        bad = self._flow(parts, queue) or bad
        relay, sender, recipient, outsider = parts
        return Next(calm, label, (relay, sender, recipient, outsider, left), bad)

    def _flow(self, parts: list[int], queue: list[tuple[int, Emission]]) -> str:
        bad = ""
        for who, emission in queue:  # it grows meanwhile
            match emission:
                case ToRelay(inputs):
                    bad = self._apply(parts, self._relay_step(parts[0], inputs), queue) or bad
                case ToPeer(pair, items):
                    self._to_others(parts, who, Came(pair, items), queue)
                case Ended(pair):
                    if not self._has_other_end(parts, who, pair):
                        queue.append((who, ToRelay((PairEnded(pair),))))
                    self._to_others(parts, who, Came(pair, (END,)), queue)
        return bad

    def _apply(self, parts: list[int], step: RelayStep, queue: list[tuple[int, Emission]]) -> str:
        parts[0] = step.after
        bad = step.bad
        for staple in step.staples:
            lines = self._line(parts, staple.a), self._line(parts, staple.b)
            bad = properties.staple(self.relays.values[step.after], staple, *lines) or bad
        for to, delivery in step.deliveries:
            for who in (SENDER, RECIPIENT, OUTSIDER) if to == relays.EVERYBODY else (to,):
                self._deliver(parts, who, delivery, queue)
        return bad

    def _deliver(
        self, parts: list[int], who: int, delivery: Delivery, queue: list[tuple[int, Emission]]
    ) -> None:
        if who == OUTSIDER:
            parts[3] = self.outsider(strangers.absorb(self.outsiders.values[parts[3]], delivery))
            return
        parts[1 + who], out = self._absorb(parts[1 + who], delivery)
        queue.extend((who, one) for one in out)

    def _to_others(
        self, parts: list[int], who: int, came: Came, queue: list[tuple[int, Emission]]
    ) -> None:
        for other in (SENDER, RECIPIENT):
            if other != who and came.pair in self.marks[parts[1 + other]].pairs:
                self._deliver(parts, other, came, queue)
        stranger: Outsider = self.outsiders.values[parts[3]]
        if stranger.pair == came.pair and who != OUTSIDER and came.items == (END,):
            parts[3] = self.outsider(stranger._replace(line=b"", pair=0))  # it hangs up, too
            queue.append((OUTSIDER, Ended(came.pair)))

    def _has_other_end(self, parts: list[int], who: int, pair: int) -> bool:
        """Whether somebody else still has the other end of this staple."""
        for other in (SENDER, RECIPIENT):
            marks = self.marks[parts[1 + other]]
            if other != who and (pair in marks.pairs or pair in marks.old_pairs):
                return True
        return who != OUTSIDER and self.outsiders.values[parts[3]].pair == pair

    def _line(self, parts: list[int], number: int) -> bytes:
        """The line by which the connection with this number said whose it is."""
        who = owner(number)
        if who == OUTSIDER:
            line: bytes = self.outsiders.values[parts[3]].line
            return line
        actor: Actor = self.actors.values[parts[1 + who]]
        ends: tuple[Link | Old, ...] = (*actor.links, *actor.old)
        return next((end.line for end in ends if end.number == number), b"")
