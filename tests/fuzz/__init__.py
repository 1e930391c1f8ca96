"""Bytes of any kind at every decoder: `python -m tests.fuzz`, or `nox -s fuzz`.

Each target takes bytes and judges: what comes is an event, or the one error that is allowed there,
the same however the bytes were split, and what is accepted reads the same when it is written again.
Anything else that is raised is a finding.

With atheris the search is guided by the branches that the code takes; where it is missing,
Hypothesis makes and mends the bytes instead. `corpus/` has a few inputs for each target, the
smallest set that takes all that was found; they are run as plain tests (`test_fuzz_corpus.py`), and
thrown over the sockets of a real relay. What a run finds is kept in `.fuzz/`.
"""
