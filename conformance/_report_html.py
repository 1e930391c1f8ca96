"""The report for people: one page that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from backends._show import show
from conformance._case import Grade
from conformance._runner import Result, Verdict

_STYLE = """
:root { color-scheme: light dark; --line: #8883; --pass: #1a7f37; --fail: #cf222e;
  --soft: #9a6700; --skip: #6e7781; }
@media (prefers-color-scheme: dark) { :root { --pass: #3fb950; --fail: #ff7b72; --soft: #d29922;
  --skip: #8b949e; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; } h3 { margin: 1.6rem 0 .4rem; }
.bar { display: flex; height: .6rem; border-radius: .3rem; overflow: hidden; }
.bar span { display: block; }
.counts { display: flex; gap: 1.5rem; flex-wrap: wrap; padding: 0; list-style: none; }
.counts b { font-size: 1.4rem; }
details { border-bottom: 1px solid var(--line); padding: .35rem 0; }
summary { cursor: pointer; display: grid; grid-template-columns: 7rem 1fr auto; gap: .8rem; }
summary > code { opacity: .65; font-size: .85rem; align-self: center; }
blockquote { margin: .4rem 0 .4rem 7.8rem; padding-left: .8rem;
  border-left: 3px solid var(--line); }
.seen { margin: .4rem 0 .4rem 7.8rem; overflow-wrap: anywhere; }
.PASS { color: var(--pass); } .FAIL { color: var(--fail); font-weight: 600; }
.NON-STRICT { color: var(--soft); } .SKIPPED { color: var(--skip); }
.bar .PASS { background: var(--pass); } .bar .FAIL { background: var(--fail); }
.bar .NON-STRICT { background: var(--soft); } .bar .SKIPPED { background: var(--skip); }
@media (max-width: 40rem) { summary { grid-template-columns: 6rem 1fr; }
  summary > code { display: none; } blockquote, .seen { margin-left: 0; } }
"""


def html(results: Sequence[Result]) -> str:
    """Return the whole report as a page. Nothing of what a subject said is markup in it."""
    body = "".join(_host(result) for result in results)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>croc-core conformance</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>Does it keep the croc-core protocol?</h1>{body}</body></html>\n"
    )


def _host(result: Result) -> str:
    total = max(1, len(result.verdicts))
    bar = "".join(
        f'<span class="{grade}" style="width:{100 * result.count(grade) / total:.3f}%"></span>'
        for grade in Grade
    )
    counts = "".join(
        f'<li class="{grade}"><b>{result.count(grade)}</b> {grade}</li>' for grade in Grade
    )
    parts = [
        f"\n<section><h2>{_safe(result.host)}</h2>",
        f"<p>{_sentence(result)} All took {result.seconds:.1f} s.</p>",
        f'<div class="bar">{bar}</div><ul class="counts">{counts}</ul>',
    ]
    areas: dict[str, list[Verdict]] = {}
    for verdict in result.verdicts:
        areas.setdefault(f"{verdict.case.part}: {verdict.case.area}", []).append(verdict)
    for area, verdicts in areas.items():
        parts.append(f"\n<h3>{_safe(area)}</h3>")
        parts += (_case(verdict) for verdict in verdicts)
    return "".join((*parts, "</section>"))


def _sentence(result: Result) -> str:
    """Say what is true of the whole."""
    known = sum(bool(verdict.tolerated) for verdict in result.verdicts)
    bad = sum(verdict.bad for verdict in result.verdicts)
    soft = sum(
        verdict.grade is Grade.NON_STRICT and not verdict.tolerated for verdict in result.verdicts
    )
    left = result.count(Grade.SKIPPED)
    found = [f"{bad} failed"] * bool(bad)
    found += [f"{known} failed and {'is' if known == 1 else 'are'} tolerated"] * bool(known)
    found += [f"{soft} did not keep a SHOULD"] * bool(soft)
    whole = "It keeps every requirement that was judged."
    said = f"Of {len(result.verdicts)} cases {', '.join(found)}." if found else whole
    return said + (f" {left} could not be judged here." if left else "")


def _case(verdict: Verdict) -> str:
    case, grade = verdict.case, verdict.grade
    opened = " open" if verdict.bad else ""
    pairs = zip(case.requirements, case.texts, strict=True)
    quotes = "".join(
        f"<blockquote><b>{name}</b> {_safe(text)}</blockquote>" for name, text in pairs
    )
    seen = f'<p class="seen">{_safe(verdict.detail)}</p>' if verdict.detail else ""
    if verdict.tolerated:
        seen += f'<p class="seen">Tolerated: {_safe(verdict.tolerated)}</p>'
    return (
        f'\n<details{opened}><summary><span class="{grade}">{grade}</span>'
        f"<span>{_safe(case.title)}</span><code>{case.id}</code></summary>{seen}{quotes}</details>"
    )


def _safe(text: str) -> str:
    """Make *text* harmless and let code be code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(show(text, 4000)))
