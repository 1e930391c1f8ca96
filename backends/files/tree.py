"""Millions of names in little memory: each row is a parent row and a name."""

from __future__ import annotations

from array import array

TOP = -1
"""The parent of a row that has none."""


class Tree:
    """Rows of (parent, name), numbered from 0; a parent comes before its children.

    A row takes 12 bytes and its name.
    """

    def __init__(self) -> None:
        self._parents = array("i")
        self._ends = array("Q", [0])
        self._names = bytearray()

    def __len__(self) -> int:
        return len(self._parents)

    @property
    def name_bytes(self) -> int:
        """The length of all names together, in bytes."""
        return len(self._names)

    def add(self, parent: int, name: bytes) -> int:
        """Add a row and return its number."""
        self._parents.append(parent)
        self._names += name
        self._ends.append(len(self._names))
        return len(self._parents) - 1

    def parent(self, row: int) -> int:
        """Return the row above *row*, or TOP."""
        return self._parents[row]

    def name(self, row: int) -> bytes:
        """Return the last component of *row*'s path."""
        return bytes(self._names[self._ends[row] : self._ends[row + 1]])

    def path(self, row: int) -> bytes:
        """Return *row*'s whole path, joined by "/"."""
        parts = []
        while row != TOP:
            parts.append(self.name(row))
            row = self._parents[row]
        return b"/".join(reversed(parts))
