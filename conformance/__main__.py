"""`python -m conformance`: judge a relay, a sender or a recipient. See docs/conformance.md.

Exit status: 0 where nothing failed that was not expected to, 1 where something did, 2 for wrong
arguments or a subject that cannot be started.
"""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance._case import Part, cases, chosen, enter
from conformance._expect import apply, load
from conformance._report_html import html
from conformance._report_json import as_json
from conformance._report_junit import junit
from conformance._report_text import summary, text
from conformance._runner import Host, Result, Verdict, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* name; return the exit status."""
    args = _parser().parse_args(arguments)
    try:
        return int(args.run(args))
    except (ValueError, OSError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance", allow_abbrev=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    relay = commands.add_parser("relay", help="judge a relay", allow_abbrev=False)
    which = relay.add_mutually_exclusive_group(required=True)
    which.add_argument("--url", help="of a relay that runs already")
    which.add_argument("--command", help="that starts a relay with the flags it is given")
    relay.add_argument("--token", help="what the relay at --url wants of senders")
    relay.set_defaults(run=_relay)
    client = commands.add_parser("client", help="judge a sender and recipient", allow_abbrev=False)
    client.add_argument("--send", metavar="COMMAND", help="of a sender")
    client.add_argument("--receive", metavar="COMMAND", help="of a recipient")
    client.set_defaults(run=_client)
    own = commands.add_parser("project", help="judge this project's backends", allow_abbrev=False)
    own.set_defaults(run=_project)
    for one in (relay, client, own):
        one.add_argument("--only", metavar="PATTERN", default="*", help="cases whose id fits")
        one.add_argument("--expect", metavar="FILE", type=Path, help="failures to tolerate (TOML)")
        for kind in ("json", "junit", "html"):
            one.add_argument(f"--{kind}", metavar="FILE", type=Path, help=f"also report as {kind}")
    listing = commands.add_parser("list", help="show all cases", allow_abbrev=False)
    listing.set_defaults(run=_list)
    return parser


def _relay(args: argparse.Namespace) -> int:
    from conformance.subjects.launch import LaunchedRelays
    from conformance.subjects.url import RelayByUrl

    enter("relay")
    if args.url:
        by_url = RelayByUrl(args.url, args.token)
        by_url.check()
        return _judge(by_url, args, Part.RELAY)
    with LaunchedRelays(args.command, shlex.split(args.command)) as launched:
        launched.check()
        return _judge(launched, args, Part.RELAY)


def _client(args: argparse.Namespace) -> int:
    from conformance.subjects.command import CommandHost

    enter("client")
    if not args.send and not args.receive:
        raise ValueError("say what to judge: --send COMMAND, --receive COMMAND, or both")
    parts = [Part.SENDER] * bool(args.send) + [Part.RECIPIENT] * bool(args.receive)
    return _judge(CommandHost("client", args.send, args.receive), args, *parts)


def _judge(host: Host, args: argparse.Namespace, *parts: Part) -> int:
    some = list(chosen(args.only, *parts))
    heard = itertools.count(1)

    def tell(verdict: Verdict) -> None:
        sys.stderr.write(f"\r{next(heard)} of {len(some)}  {verdict.case.id[:40]:40}\r")

    watched = sys.stderr.isatty()
    return _report([run(host, some, tell) if watched else run(host, some)], args)


def _project(args: argparse.Namespace) -> int:
    from conformance._project import columns

    found = list(columns(args.only))
    status = _report([column.result for column in found], args)
    print(summary((column.name, column.good, column.total) for column in found))
    return status


def _report(results: list[Result], args: argparse.Namespace) -> int:
    if args.expect is not None:
        tolerated = load(args.expect)
        results = [apply(result, tolerated) for result in results]
    sys.stdout.write(text(results))
    for path, make in ((args.json, as_json), (args.junit, junit), (args.html, html)):
        if path is not None:
            path.write_text(make(results), "utf-8")
    return 0 if all(result.passed and result.verdicts for result in results) else 1


def _list(args: argparse.Namespace) -> int:
    del args
    enter("relay", "client")
    for case in cases(*Part):
        print(f"{case.part:9}  {case.id:36}  {', '.join(case.requirements)}")
        print(f"{'':11}{case.title}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
