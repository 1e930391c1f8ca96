"""An exhaustive explorer of the real core: `python -m tests.explorer`.

One relay (the real `Relay`, copied and named by all that it holds), one sender and one recipient
(the real machines, with a symbolic key agreement passed in as their suite) and an outsider go
through every order of what can happen. What is real: judges, tables, requests and replies as bytes,
heads, hashes, hellos, keys of records. What is modelled: the hands.

Within the bounds of a search anything may come in any order, and so many times as there are faults:

- a request or its answer is lost, or a copy of it arrives later (delayed, doubled, out of order);
- a data connection breaks, with what was on its way to that end, or is dialled a second time, so
  that a member has two at once;
- a deadline passes too early; the channel expires, its tombstone is forgotten, the relay is started
  anew; a member's address changes; a person interrupts or declines; files fail; a name is bad;
- the outsider guesses a uuid right.

Free of charge: either party may die, once, at any step, and where nothing else can happen a
deadline passes. The outsider gets a number of things done (it joins, posts, connects, closes, sends
and hangs up); what the relay refuses it is tried in every state of the relay, and must change
nothing. The recipient has the right code or a wrong one; both may share an address.

What is not modelled: bytes (records are whole messages, their order is that of the stream), clocks
(a deadline may pass or not), limits of the relay, more than one channel, piece connections and
redials. Chance is constant, so that nothing is said about freshness. States are not hashed: no two
are taken for one. The only reduction is that staples have the lowest number that is free;
`Bounds.fresh_pairs` is the run without it. A search that is cut at a limit says so: from there on
no more faults come, and all runs are brought to their end.

Liveness: from every state that was seen, steps without faults can lead to the end of both runs. As
all that such steps lead to was seen, too, a run in which no step is put off for ever does end.
"""
