"""The sink in memory: what a broken run leaves, and how a later offer goes on with it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from backends.memory.files import MemorySink, Unfinished
from croc_core.content import Entry, Kind, Span, Stretch, Verdict
from croc_core.resume import BLOCK, blocks, digest

KEY = bytes(range(32))


def offered(sink: MemorySink, files: dict[str, bytes]) -> Verdict:
    sink.begin()
    sink.consider([Entry(Kind.FILE, path, len(data), {}) for path, data in files.items()])
    return sink.judge()


def compared(sink: MemorySink, verdict: Verdict, files: list[bytes]) -> None:
    """Tell the sink the digests of what it said that it holds."""
    for entry, length in verdict.held:
        data = files[entry][:length]
        found = [digest(KEY, data[n * BLOCK : (n + 1) * BLOCK]) for n in range(blocks(length))]
        sink.compare(entry, 0, found, KEY)


def fetched(sink: MemorySink, files: list[bytes]) -> int:
    """Write just what the sink lacks; return how much that was."""
    lacking = list(sink.lacking())
    for one, two in pairwise(lacking):
        assert (one.entry, one.offset + one.length) <= (two.entry, two.offset)
    for entry, offset, length in lacking:
        sink.write(entry, offset, memoryview(files[entry][offset : offset + length]))
    return sum(length for _, _, length in lacking)


DATA = st.sampled_from([b"", b"a", b"x" * 1000, bytes(BLOCK) + b"yz", b"q" * (2 * BLOCK)])
OFFERS = st.dictionaries(st.sampled_from(["a", "b", "c/d"]), DATA, min_size=1)
WRITES = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 700)), max_size=4)


@given(first=OFFERS, changed=OFFERS, writes=WRITES, how=st.sampled_from(["offer", "run"]))
def test_what_comes_after_a_break_is_whole_and_right(
    first: dict[str, bytes], changed: dict[str, bytes], writes: list[tuple[int, int]], how: str
) -> None:
    shelf: dict[str, bytes] = {}
    unfinished: dict[str, Unfinished] = {}
    sink = MemorySink(shelf, unfinished=unfinished)
    offered(sink, first)
    sink.prepare()
    for pick, count in writes:
        lacking = list(sink.lacking())
        if lacking:
            entry, offset, length = lacking[pick % len(lacking)]
            data = list(first.values())[entry][offset : offset + min(count, length)]
            sink.write(entry, offset, memoryview(data))
    came = dict(shelf)
    if how == "run":
        sink.abandon()
        sink = MemorySink(shelf, unfinished=unfinished)
    second = first | {path: data for path, data in changed.items() if path not in came}
    if how == "run":
        second = {path: data for path, data in second.items() if path not in came}
    verdict = offered(sink, second)
    assert verdict.chosen == ((Span(0, len(second)),) if second else ())
    files = list(second.values())
    sink.prepare()
    compared(sink, verdict, files)
    kept = sum(
        len(data[: len(left.data)])
        for path, data in second.items()
        if (left := unfinished.get(path)) is not None and left.data == data[: len(left.data)]
    )
    assert fetched(sink, files) <= sum(map(len, files)) - kept
    assert list(sink.lacking()) == []
    sink.finish([])
    assert {path: shelf[path] for path in second} == second
    assert not set(unfinished) & set(second)


def test_a_block_that_is_not_right_any_more_is_lacking() -> None:
    old = bytes(BLOCK) + b"1" * BLOCK + b"2" * 10
    new = bytes(BLOCK) + b"9" * BLOCK + b"2" * 10
    unfinished = {"a": Unfinished(len(new), old)}
    shelf: dict[str, bytes] = {}
    sink = MemorySink(shelf, unfinished=unfinished)
    verdict = offered(sink, {"a": new})
    assert verdict.held == ((0, len(new)),)
    sink.prepare()
    compared(sink, verdict, [new])
    assert list(sink.lacking()) == [Stretch(0, BLOCK, BLOCK)]
    fetched(sink, [new])
    assert shelf == {"a": new}


def test_a_file_of_another_size_is_another_file() -> None:
    sink = MemorySink({}, unfinished={"a": Unfinished(5, b"abc")})
    assert offered(sink, {"a": b"abcdef"}).held == ()


def test_what_this_run_has_finished_is_not_in_its_own_way() -> None:
    shelf = {"old": b"theirs"}
    sink = MemorySink(shelf)
    offered(sink, {"a": b"1", "b": b""})
    sink.prepare()
    sink.write(0, 0, memoryview(b"1"))
    verdict = offered(sink, {"a": b"1", "b": b"", "old": b"mine"})
    assert (verdict.refused_count, verdict.held) == (1, ((0, 1),))
    sink.prepare()
    compared(sink, verdict, [b"1"])
    assert list(sink.lacking()) == []
    sink.finish([])
    assert shelf == {"old": b"theirs", "a": b"1", "b": b""}
