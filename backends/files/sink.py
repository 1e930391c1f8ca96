"""The recipient's end: judges an offer, writes what was chosen, leaves nothing half under its name.

A file grows under a hidden name in its own folder and gets its final one when it is whole. All
happens below one folder, through no link (confine.py). What a broken run leaves the next one goes
on with (journal.py).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

from backends._show import show
from backends.files.alone import alone
from backends.files.journal import ours, plain
from backends.files.judge import Fate, Judge, Kept
from backends.files.limits import MAX_OFFERED
from backends.files.offer import REFUSED, Texts
from backends.files.part import Part
from backends.files.parts import Ranges
from backends.files.policy import Policy
from backends.files.trouble import local_error
from backends.files.writing import Phase, Writing
from croc_core.content import MAX_SIZE, Arrived, Entry, Stretch, Verdict
from croc_core.errors import LocalFileError, Party, RemoteProtocolError
from croc_core.resume import BLOCK

MAX_PARTS = 256
"""Greatest number of files that may be unfinished at one time."""
RESERVE = 16 << 20
"""How many bytes a stream, whose size nobody knows, leaves free on the disk."""

_UPDATE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileSink(Writing):
    """Writes below *root* (made where it is missing); a `croc_core.content.Sink`.

    `policy` may be changed until `prepare`, and `judge` called again. *attended* says whether a
    person looks at the offer: if none does, hidden names at the top are refused, and no file may
    be executed. The permissions that arrive are narrowed by the process's umask. *say* gets a
    sentence, safe to show, for each thing that a person should hear of; it may not call the sink.

    A text is given to *show_text*, whole and at the end, as it came: it is not safe to show. With
    *save_texts* it becomes a file; with neither it is refused. A stream may have *max_stream*
    bytes, and never takes the last of the disk.

    Calls may come from several threads; each waits for the one before. After `abandon` they raise
    LocalProtocolError and touch nothing.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        policy: Policy = Policy.ASK,
        *,
        attended: bool,
        say: Callable[[str], None] = lambda _: None,
        show_text: Callable[[str], None] | None = None,
        save_texts: bool = False,
        max_stream: int = MAX_SIZE,
    ) -> None:
        texts = Texts.SAVE if save_texts else Texts.SHOW if show_text else Texts.REFUSE
        super().__init__(root, policy, attended, texts, say)
        self._show_text = show_text
        self._max_stream = max_stream
        self._spare = 0  # what streams may still take before the free space is looked at again

    @alone
    def begin(self) -> None:
        """See `Sink.begin`: what has come of the offer before is gone on with."""
        self._in(Phase.OFFERED, Phase.JUDGED, Phase.WRITING)
        self._put_down(lambda _: None)
        self._close()
        self._reset()

    @alone
    def consider(self, entries: Sequence[Entry]) -> None:
        """See `Sink.consider`. Raises RemoteProtocolError past MAX_OFFERED entries."""
        self._in(Phase.OFFERED)
        if len(self._offered.rows) + len(entries) > MAX_OFFERED:
            raise RemoteProtocolError(
                Party.PEER, f"the sender offers more than {MAX_OFFERED:,} entries"
            )
        for entry in entries:
            self._offered.add(entry)

    def path(self, entry: int) -> bytes | None:
        """Return the path of *entry*; waits for nobody, and is for showing alone."""
        offered = self._offered
        row = offered.rows[entry] if entry < len(offered.rows) else REFUSED
        return None if row == REFUSED else offered.tree.path(row)

    @alone
    def judge(self) -> Verdict:
        """See `Sink.judge`."""
        self._in(Phase.OFFERED, Phase.JUDGED)
        try:
            if self._root_fd is None:
                self._open_root()
            self._judge = Judge(self._offered, self.policy, self._folders, self._earlier)
            verdict = self._judge.verdict()
            self._check_space(verdict)
        except OSError as error:
            raise local_error(error, "look into", self._root) from None
        self._phase = Phase.JUDGED
        return verdict

    @alone
    def prepare(self) -> None:
        """See `Sink.prepare`."""
        self._in(Phase.JUDGED)
        judge, self._judge = self._judge, None
        assert judge is not None
        self._fates = judge.fates
        try:
            if self._folders is None:
                os.makedirs(self._root, exist_ok=True)
                self._open_root()
        except OSError as error:
            raise local_error(error, "make the folder", self._root) from None
        self._open_folders().start(judge.renamed)
        self._kept, self._resumed, self._stale = judge.kept, judge.inherited, judge.stale
        offered = self._offered
        self._lacking = sum(
            fate not in (Fate.LEFT_OUT, Fate.DONE) and offered.size(row) > 0
            for fate, row in zip(self._fates, offered.rows, strict=True)
        )
        self._begin_journal()
        self._phase = Phase.WRITING

    def compare(self, entry: int, block: int, digests: Sequence[bytes], key: bytes) -> None:
        """See `Sink.compare`; reads what is held, a block at a time."""
        for number, wanted in enumerate(digests, block):
            self._compare(entry, number, wanted, key)

    def lacking(self) -> Iterator[Stretch]:
        """See `Sink.lacking`."""
        self._begin_again()
        for entry in range(len(self._fates)):
            yield from self._gaps(entry)

    @alone
    def write(self, entry: int, offset: int, data: memoryview) -> None:
        """See `Sink.write`; RemoteProtocolError also past MAX_PARTS files at a time."""
        part = self._take(entry, offset, len(data))
        at = offset
        try:
            while data:
                count = os.pwrite(part.fd, data, at)
                at += count
                data = data[count:]
            part.written = max(part.written, at)
            if part.ranges.whole:
                self._complete(entry, part)
        except OSError as error:
            part.ranges.lose(at)
            raise self._trouble(error, part.row) from None

    @alone
    def zeros(self, entry: int, offset: int, length: int) -> None:
        """See `Sink.zeros`: where nothing was before, nothing is written, and a hole stays."""
        part = self._take(entry, offset, length)
        try:
            part.zeros(offset, length)
            if part.ranges.whole:
                self._complete(entry, part)
        except OSError as error:
            part.ranges.lose(offset)
            raise self._trouble(error, part.row) from None

    @alone
    def finish(self, sizes: Sequence[tuple[int, int]]) -> Arrived:
        """See `Sink.finish`: ends streams, makes what has no bytes, then dates the folders."""
        self._in(Phase.WRITING)
        self._end_streams(sizes)
        if self._lacking:
            raise RemoteProtocolError(
                Party.PEER, f"the sender ended with {self._lacking} files not whole"
            )
        self._make_rest()
        self._remove_stale()
        self._dress_folders()
        arrived = self._arrived()
        for text in self._shown:
            assert self._show_text is not None
            self._show_text(text)
        self._close_journals(whole=True)
        self._close()
        return arrived

    @alone
    def abandon(self) -> None:
        """See `Sink.abandon`: what has come of a file is kept in its part, and is synchronised.

        Waits for a call that is under way; where that was `finish`, nothing is left to give up.
        """
        if self._phase is Phase.CLOSED:
            return
        self._put_down(self._say)
        self._close()

    # -- what may come

    def _check_space(self, verdict: Verdict) -> None:
        sized = sum(self._offered.size(row) for row in self._rows(verdict))
        needed = sized - sum(length for _, length in verdict.held)
        free = self._room()
        if needed > free:
            raise LocalFileError(
                f"There is not enough room: {needed:,} bytes are offered, {free:,} are free "
                f'in "{show(self._root)}".',
                "Make room, or choose another folder.",
            )
        self._spare = 0

    def _rows(self, verdict: Verdict) -> Iterator[int]:
        for span in verdict.chosen:
            yield from self._offered.rows[span.first : span.first + span.count]

    def _take(self, entry: int, offset: int, length: int) -> Part:
        """Return the part of *entry* after noting that these bytes come; made where there is none.

        Raises RemoteProtocolError for what the sender may not send, LocalFileError.
        """
        self._in(Phase.WRITING)
        part = self._parts.get(entry)
        if part is None:
            part = self._new(entry, offset, length)
        else:
            part.ranges.take(offset, length)
        if self._offered.is_stream(part.row):
            self._check_stream(part, offset, length)
        return part

    def _new(self, entry: int, offset: int, length: int) -> Part:
        if not (0 <= entry < len(self._fates)) or self._fates[entry] == Fate.LEFT_OUT:
            raise RemoteProtocolError(Party.PEER, "the sender sent what was not accepted")
        row = self._offered.rows[entry]
        size = MAX_SIZE if self._offered.is_stream(row) else self._offered.size(row)
        if self._fates[entry] == Fate.DONE or self._offered.is_folder(row) or size == 0:
            raise RemoteProtocolError(Party.PEER, "the sender sent more than a file holds")
        if len(self._parts) >= MAX_PARTS:
            raise RemoteProtocolError(Party.PEER, "the sender sends too many files at once")
        ranges = Ranges(size)
        ranges.take(offset, length)
        if entry in self._kept:
            self._forget(entry)
        self._parts[entry] = part = self._create(entry, ranges)
        return part

    # -- streams

    def _check_stream(self, part: Part, offset: int, length: int) -> None:
        """Raise where a stream leaves a gap, or takes more than there is to give."""
        if part.ranges.start != offset + length:
            raise RemoteProtocolError(Party.PEER, "the sender sent a stream with a gap")
        end = offset + length
        self._spare -= length
        if self._spare < 0 and end <= self._max_stream:
            self._spare = (self._room() - RESERVE) // 2 - length
        if self._spare < 0 or end > self._max_stream:
            part.ranges.lose(offset)
            name = show(self._offered.tree.name(part.row))
            raise LocalFileError(
                f'"{name}", whose size nobody knows, is more than there is room for.',
                "Make room, or choose another folder.",
            )

    def _end_streams(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Make the streams final; they end where *sizes* says, and nowhere else."""
        rows = self._offered.rows
        streams = [
            entry
            for entry, fate in enumerate(self._fates)
            if fate != Fate.LEFT_OUT and self._offered.is_stream(rows[entry])
        ]
        if [entry for entry, _ in sizes] != streams:
            raise RemoteProtocolError(Party.PEER, "the sender sized what was not accepted")
        for entry, size in sizes:
            part = self._parts.get(entry)
            if size != (0 if part is None else part.ranges.start):
                raise RemoteProtocolError(Party.PEER, "the sender ended a stream that is not whole")
        for entry, size in sizes:
            part = self._parts.get(entry)
            self._offered.end_stream(rows[entry], size)
            if part is not None:
                part.ranges = Ranges(size)
                part.ranges.take(0, size)
                try:
                    self._complete(entry, part)
                except OSError as error:
                    raise self._trouble(error, part.row) from None

    # -- what there is already

    @alone
    def _compare(self, entry: int, block: int, wanted: bytes, key: bytes) -> None:
        self._in(Phase.WRITING)
        kept = self._kept.get(entry)
        if kept is None:  # it could not be opened any more
            return
        try:
            part = self._parts.get(entry) or self._reopen(entry, kept)
            offset = block * BLOCK
            length = min(BLOCK, kept.length - offset)
            if length > 0 and part.has(offset, length, wanted, key):
                with contextlib.suppress(RemoteProtocolError):  # too scattered: it comes anew
                    part.ranges.take(offset, length)
            if offset + BLOCK >= kept.length:
                del self._kept[entry]
                self._compared(entry, part)
        except OSError:  # what cannot be read is not held
            self._drop(entry)

    def _drop(self, entry: int) -> None:
        """Make *entry* anew, whatever there is of it."""
        part = self._parts.pop(entry, None)
        if part is not None:
            part.close()
        if entry in self._kept:
            self._forget(entry)

    def _reopen(self, entry: int, kept: Kept) -> Part:
        """Open what an earlier run left of *entry*."""
        row = self._offered.rows[entry]
        folders = self._open_folders()
        folder = folders.find(self._offered.tree.parent(row))
        ranges = Ranges(self._offered.size(row))
        final = kept.mark is None
        name = folders.name(row) if final else self._part_name(row, kept.mark)
        fd = os.open(name, _LOOK if final else _UPDATE, dir_fd=folder)
        info = os.fstat(fd)
        self._parts[entry] = part = Part(fd, name, row, ranges, info.st_size, final)
        if not (plain(info) if final else ours(info)):
            raise OSError  # it was swapped since it was judged
        return part

    def _compared(self, entry: int, part: Part) -> None:
        """All blocks of *entry* that are held have been compared."""
        if not part.final:
            if part.ranges.whole:
                self._complete(entry, part)
            return
        if part.ranges.whole:
            self._fates[entry] = Fate.DONE
            self._lacking -= 1
            self._useful = True
            del self._parts[entry]
        else:
            self._fates[entry] = Fate.NEW  # beside the one that is there, which stays
            self._parts[entry] = fresh = self._create(entry, Ranges(0))
            fresh.take_from(part)
        part.close()

    @alone
    def _begin_again(self) -> None:
        self._in(Phase.WRITING)
        for entry in list(self._kept):
            self._drop(entry)

    @alone
    def _gaps(self, entry: int) -> list[Stretch]:
        self._in(Phase.WRITING)
        fate, row = self._fates[entry], self._offered.rows[entry]
        if fate in (Fate.LEFT_OUT, Fate.DONE) or self._offered.is_folder(row):
            return []
        part = self._parts.get(entry)
        if part is not None:
            return [Stretch(entry, begin, end - begin) for begin, end in part.ranges.gaps()]
        size = MAX_SIZE if self._offered.is_stream(row) else self._offered.size(row)
        return [Stretch(entry, 0, size)] if size else []
