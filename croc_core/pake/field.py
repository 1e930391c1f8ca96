"""A prime field on Python integers, for the maps to a curve.

The order of operations does not depend on the values, but Python's integers take a time that does:
what passes through here is not constant in time (SECURITY.md).
"""

from __future__ import annotations


def select(zero: int, one: int, bit: int) -> int:
    """Return *one* where *bit* is 1, else *zero*, without a branch (RFC 9380 section 4, CMOV)."""
    return zero + bit * (one - zero)


class Field:
    """The integers modulo a prime *p*; elements are ints in [0, p)."""

    def __init__(self, p: int) -> None:
        self.p = p
        self.size = (p.bit_length() + 7) // 8
        self._twos = ((p - 1) & (1 - p)).bit_length() - 1
        odd = (p - 1) >> self._twos
        self._half_odd = (odd - 1) // 2
        self._root_of_unity = pow(self._nonresidue(), odd, p)

    def _nonresidue(self) -> int:
        if self._twos == 1:
            return self.p - 1
        return next(z for z in range(2, self.p) if not self.is_square(z))

    def inverse(self, x: int) -> int:
        """Return 1/x, and 0 for 0, in as many steps for each x (RFC 9380 section 4, inv0)."""
        return pow(x, self.p - 2, self.p)

    def is_square(self, x: int) -> int:
        """Return 1 where *x* is a square or 0, else 0 (RFC 9380 section 4)."""
        return int(pow(x, (self.p - 1) // 2, self.p) != self.p - 1)

    def with_sign_of(self, y: int, u: int) -> int:
        """Return y or -y, whichever is odd exactly when *u* is (RFC 9380 section 4.1, sgn0)."""
        return select(y, self.p - y, (u ^ y) & 1) % self.p

    def sqrt(self, x: int) -> int:
        """Return a square root of the square *x* (RFC 9380 appendix I.4)."""
        p = self.p
        root = pow(x, self._half_odd, p)
        rest = root * root % p * x % p
        root = root * x % p
        unity = self._root_of_unity
        for order in range(self._twos, 1, -1):
            test = rest
            for _ in range(order - 2):
                test = test * test % p
            odd = int(test != 1)
            root = select(root, root * unity % p, odd)
            unity = unity * unity % p
            rest = select(rest, rest * unity % p, odd)
        return root
