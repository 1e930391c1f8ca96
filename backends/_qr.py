"""A code as a QR code on the terminal, by segno."""

from __future__ import annotations

_HALVES = {(True, True): " ", (True, False): "▄", (False, True): "▀", (False, False): "█"}
"""What two modules, one above the other, look like: a dark one is the terminal's background."""
BORDER = 2
"""Light modules around it."""


def qr(text: str) -> list[str]:
    """Return lines of half blocks that show *text*, light on dark; a line shows two rows."""
    import segno  # only who asks for it pays for it

    code = segno.make_qr(text, error="l")
    rows = [[bool(module) for module in row] for row in code.matrix_iter(border=BORDER)]
    if len(rows) % 2:
        rows.append([True] * len(rows[0]))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(_HALVES[pair] for pair in zip(*two, strict=True)) for two in pairs]
