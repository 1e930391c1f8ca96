"""An exhaustive explorer of the real core: `python -m tests.explorer`.

One relay (the real `Relay`, copied and named by all that it holds), one sender and one recipient
(the real machines, with a symbolic key agreement passed in as their suite) and an outsider go
through every order of what can happen. What is real: judges, tables, requests and replies as bytes,
heads, hashes, hellos, keys of records. What is modelled: the hands.

Within the bounds of a search anything may come in any order, and so many times as there are faults:

- a request or its answer is lost, or a copy of it arrives later (delayed, doubled, out of order);
- a data connection breaks, with what was on its way to that end, or is dialled a second time, so
  that a member has two at once; the relay has no room for it;
- a deadline passes too early; the channel expires, its tombstone is forgotten, the relay is started
  anew and has forgotten every channel; a member's address changes; a person interrupts or declines,
  or sees other words; files fail; a name is bad; what was read makes no sense;
- the outsider guesses a uuid right.

Free of charge: either party may die, once, at any step, and where nothing else can happen a
deadline passes. The outsider gets a number of things done (it joins, posts, connects, closes, sends
and hangs up); what the relay refuses it is tried in every state of the relay, and must change
nothing. The recipient has the right code or a wrong one; both may share an address; the recipient
may hold a part of the file, good or rotten; either person may want to compare the words; data may
go over three connections (two are as one: `croc_core.many.connections`).

A lost connection is made good by the real machines: they ask, dial again with new hellos and keys,
meet again on channels that both derive, go on or offer anew. For that

- chance differs between the steps of a run: it is a count, as bounded as losses are. A hello that
  nobody can have seen gives its count back, and the nonces of joins are constant, so that to look
  for the other side for ever is a cycle, and not a space without end;
- `until`, by which a loss must be made good, is there or not: its time is one of two moments, now
  and past all deadlines. That it has passed is a step of its own (`actions.Kind.OVER`). Deadlines
  of seconds come before those of minutes, and pauses before both, but for a recipient that looks
  for channels round by round.

`Bounds.losses` is what reconnecting is for: connections, requests and the relay's memory are lost,
nothing else, once the two have confirmed each other; then every ending is success on both sides, or
a sender that is unconfirmed beside a recipient that holds all.

What is not modelled: bytes (records are whole messages, their order is that of the stream), clocks,
limits of the relay, compression, streams. A relay that lies (`liar.py`) meets parties that do not
reconnect. States are not hashed: no two are taken for one. The only reduction is that staples have
the lowest number that is free; `Bounds.fresh_pairs` is the run without it. Where `Bounds.thin` is
above 1, faults come in one of so many worlds alone, spread over the whole space: that is a sample,
and each search says so. A search that is cut at a limit says so, too: from there on no more faults
come, and all runs are brought to their end.

Liveness: from every state that was seen, steps without faults can lead to the end of both runs. As
all that such steps lead to was seen, too, a run in which no step is put off for ever does end.
"""
