"""A run, ready for any backend: a node, where it listens, and how to speak to it from outside."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backends._io import Node
from backends._sockets import Listen
from croc_core import codes
from croc_core.errors import Code, Failure
from croc_core.party_io import Interrupted
from croc_core.values import Secret

# What only one kind of run needs is imported by that kind: a short transfer is mostly start-up.
if TYPE_CHECKING:
    from backends._options import Options, RelayOptions, Where
    from backends._party_node import Decide, PartyNode, SenderNode
    from croc_core.content import Sink, Source
    from croc_core.party import Patience

Say = Callable[[str], None]
"""Takes a sentence for the person, safe to show."""


@dataclass(slots=True)
class Session:
    """What a backend runs. `inject` is set by the backend while it runs; any thread may call it."""

    node: Node
    outcome: Callable[[], Failure | None]
    """How it ended, once the node is finished; None is success."""
    listen: tuple[Listen, ...] = ()
    throttle: int | None = None
    """Most bytes a second, over all its connections."""
    early: list[object] = field(default_factory=list)
    """What was injected before it ran."""
    inject: Callable[[object], None] = field(init=False)

    def __post_init__(self) -> None:
        self.inject = self.early.append

    def interrupt(self, code: Code) -> None:
        """End the run: the other side is told, and nothing verified is lost."""
        self.inject(Interrupted(code))


def relaying(options: RelayOptions, say: Say = lambda sentence: None) -> Session:
    """A relay; *say* hears how much it takes, and where the system gives it too little."""
    from backends._options import Where
    from backends._peers import Addresses, Connections, fit
    from backends._relay_node import RelayNode
    from croc_core.events import Listening
    from croc_core.relay import Relay

    host = options.host

    def announce(port: int, data_ports: tuple[int, ...]) -> Listening:
        return Listening(Where(host or "127.0.0.1", port).url, data_ports, host or "")

    descriptors = _descriptors()
    limits, connections = fit(options, descriptors)
    relay = Relay(os.urandom, limits, (), options.token)
    say(
        f"This relay may open {descriptors} files. It takes {connections.most} connections "
        f"({connections.per_address} from one address), {limits.max_links} of them for data, and "
        f"{limits.max_channels} channels ({limits.max_per_address} from one address)."
    )
    if connections.most < Connections().most and options.max_connections is None:
        say("For a busy relay, raise the limit of open files (ulimit -n).")
    addresses = Addresses(options.ipv6_prefix, options.trusted_proxies)
    node = RelayNode(relay, addresses, connections, announce)
    ports = (options.port, *options.data_ports)
    return Session(node, lambda: None, tuple(Listen(options.host, port) for port in ports))


def _descriptors() -> int:
    """Return how many descriptors this process may have open."""
    if sys.platform == "win32":
        return 1 << 20  # there is no such limit
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def sending(options: Options, paths: Sequence[str], say: Say) -> Session:
    """A sender of files and folders; with a relay of its own where *options* name none.

    Raises LocalFileError where a path cannot be read, ValueError for a code that is none.
    """
    from backends.files.source import FileSource

    source = FileSource(
        paths,
        follow=options.follow,
        exclude=options.exclude,
        gitignore=options.gitignore,
        say=say,
    )
    return sending_from(options, source)


def sending_from(options: Options, source: Source) -> Session:
    """A sender of whatever *source* gives."""
    from backends._options import STREAMS, where
    from backends._party_node import SenderNode
    from backends._words import words
    from croc_core.handshake import CapsOffer
    from croc_core.sender_judge import SenderContext, sender

    code = None if options.code is None else codes.parse(options.code)
    phrase = codes.generate(words(), os.urandom) if code is None else code.phrase
    channel = None if code is None else code.channel
    token = None if options.token is None else Secret(options.token.encode())

    def party(relay: Where, shown: str, token: Secret | None) -> SenderNode:
        context = SenderContext(
            secret=codes.PhraseCode("", phrase).secret,
            phrase=phrase,
            relay=shown,
            entropy=os.urandom,
            channel=channel,
            curve=options.sender_curve,
            token=token,
            caps=CapsOffer(verify=options.verify),
            patience=_patience(options),
            streams=options.streams or STREAMS,
        )
        machine = sender(context)
        return SenderNode(machine, relay.host, relay.port, source, compress=options.compress)

    if options.relay is not None:
        relay = where(options.relay)
        return _of(party(relay, relay.url, token), options)
    return _embedded(options, party)


def receiving(
    options: Options, code: str, decide: Decide, say: Say, show_text: Say | None = None
) -> Session:
    """A recipient into a folder; *show_text* gets each text, unless *options* say to save it.

    Raises ValueError, with a sentence for the person, for a code that is none or no relay.
    """
    from backends.files.sink import FileSink

    sink = FileSink(
        options.out,
        options.existing,
        attended=options.attended,
        say=say,
        show_text=show_text,
        save_texts=options.save_text,
    )
    return receiving_into(options, code, decide, sink)


def receiving_into(options: Options, code: str, decide: Decide, sink: Sink) -> Session:
    """A recipient into whatever *sink* is."""
    from backends._options import MANY_FROM, STREAMS, where
    from backends._party_node import RecipientNode
    from croc_core.content import Codec
    from croc_core.handshake import Policy
    from croc_core.recipient_judge import RecipientContext, recipient

    if options.relay is None and not options.discovery:
        raise ValueError("Which relay? Give --relay, or set CROC_RELAY.")
    parsed = codes.parse(code)
    suites = Policy().suites if options.curve is None else (options.curve,)
    context = RecipientContext(
        channel=parsed.channel,
        secret=parsed.secret,
        entropy=os.urandom,
        curve=options.curve,
        policy=Policy(suites=suites, verify=options.verify),
        patience=_patience(options),
        streams=options.streams or STREAMS,
        many_from=MANY_FROM if options.streams is None else 0,
        codecs=tuple(Codec) if options.compress else (Codec.RAW, Codec.ZEROS),
        max_entries=options.max_files,
    )

    def party(relay: Where) -> RecipientNode:
        machine, compress = recipient(context), options.compress
        return RecipientNode(machine, relay.host, relay.port, sink, decide, compress=compress)

    if options.relay is not None:
        return _of(party(where(options.relay)), options)
    from backends._discovery import Searching

    node = Searching(parsed.channel, party)
    return Session(node, lambda: node.failure, throttle=options.throttle)


def _of(node: PartyNode, options: Options) -> Session:
    """The session of a party at a relay that was named."""
    throttle = options.throttle
    if options.proxy is None:
        return Session(node, lambda: node.failure, throttle=throttle)
    from backends._proxy import Through, proxy

    return Session(Through(node, proxy(options.proxy)), lambda: node.failure, throttle=throttle)


def _patience(options: Options) -> Patience:
    return options.patience._replace(reconnect=options.reconnect)


def _embedded(
    options: Options, party: Callable[[Where, str, Secret | None], SenderNode]
) -> Session:
    """A sender together with a relay of its own, as one node."""
    from backends._embedded import Embedded
    from backends._options import STREAMS
    from backends._peers import Connections
    from backends._relay_node import RelayNode
    from croc_core.limits import Limits
    from croc_core.relay import Relay

    token = Secret(os.urandom(16).hex().encode())
    relay = RelayNode(
        Relay(os.urandom, Limits.embedded(), (), token),
        connections=Connections(most=64, per_address=16),
    )
    node = Embedded(relay, options.host, lambda at, shown: party(at, shown, token))
    streams = options.streams or STREAMS
    ports = 1 + (1 if streams == 1 else streams + 1)
    listen = (Listen(options.host, 0),) * ports
    if not options.discovery:
        return Session(node, lambda: node.failure, listen, options.throttle)
    from backends._discovery import Discoverable

    discoverable = Discoverable(node, options.host)
    return Session(discoverable, lambda: node.failure, listen, options.throttle)
