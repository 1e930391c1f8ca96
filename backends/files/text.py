"""A text to send; it needs no file."""

from __future__ import annotations

from collections.abc import Iterator

from backends.files.limits import MAX_TEXT
from croc_core.content import Entry, Kind
from croc_core.errors import LocalFileError

LABEL = "text.txt"
"""The path of a text: what it is called where somebody saves it (TEXT-1)."""


class TextSource:
    """Offers *text*; a `croc_core.content.Source`.

    Raises LocalFileError where it is empty, longer than the other side shows, or not to be written
    in UTF-8.
    """

    def __init__(self, text: str) -> None:
        try:
            self._data = text.encode()
        except UnicodeEncodeError:
            raise LocalFileError(
                "The text holds what is no character.", "Send it as a file."
            ) from None
        if not self._data:
            raise LocalFileError("The text is empty.", "Give a text.")
        if len(self._data) > MAX_TEXT:
            raise LocalFileError(
                f"The text has {len(self._data):,} bytes, and at most {MAX_TEXT:,} are shown.",
                "Send it as a file.",
            )

    def walk(self) -> Iterator[Entry]:
        """See `Source.walk`."""
        yield Entry(Kind.TEXT, LABEL, len(self._data), {})

    def read_into(self, entry: int, offset: int, buffer: memoryview) -> int:
        """See `Source.read_into`."""
        del entry
        part = self._data[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def hole(self, entry: int, offset: int, length: int) -> int:
        """See `Source.hole`: there is none."""
        del entry, offset, length
        return 0

    def check(self, entry: int) -> None:
        """See `Source.check`: a text does not change."""

    def close(self) -> None:
        """See `Source.close`: nothing is open."""
