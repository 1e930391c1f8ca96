"""A mutation run over the core: `python -m tests.mutants`, or `nox -s mutants`.

The mutants are those of mutmut's default operators, every one, in every file of `croc_core`. Where
mutmut itself can only switch code within functions that have no decorator, here the others are
made too: constants, rows of tables, fields with their defaults, properties.

mutmut starts its tests anew for each file; that is too slow here. This runner imports everything
once and forks for each mutant. A mutant in the body of a function becomes the code of that
function; any other, and any that survives so, is imported in a fork in which nothing of the project
has been imported yet. The tests that run are those that took the line, the likeliest first; the
first that fails ends it. A test that needs many times longer than it does is killed (timed out).

Kept in `.mutants/` is what was found, so that a run can be cut and taken up again. Kept in the
repository are `killers.json` (which tests killed what in the last full run, for the short form) and
`equivalent.toml` (mutants that no test can kill, each with its reason; more than 3 % fail).
"""
