"""How sure a share is that was counted in few cases."""

from __future__ import annotations

import math

_Z = 1.959963984540054
"""Of the normal distribution, for 95 %."""


def wilson(hits: int, cases: int) -> tuple[float, float]:
    """The 95 % score interval of a share; (0, 1) where nothing was counted.

    Args:
        hits: 0 to `cases`.
        cases: How many there were.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
    (1927), 209-212, doi:10.1080/01621459.1927.10502953. It stays within 0 and 1 and holds for few cases,
    which the usual one (p plus or minus z standard errors) does not: L. D. Brown, T. T. Cai, A. DasGupta,
    "Interval estimation for a binomial proportion", Statistical Science 16 (2001), 101-133.
    """
    if not cases:
        return 0.0, 1.0
    share, square = hits / cases, _Z * _Z
    middle = (share + square / (2 * cases)) / (1 + square / cases)
    half = _Z / (1 + square / cases) * math.sqrt(share * (1 - share) / cases + square / (4 * cases * cases))
    return max(0.0, middle - half), min(1.0, middle + half)
