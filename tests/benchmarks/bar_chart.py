"""One bar chart as SVG, without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

_WIDTH, _LEFT, _BAR, _GAP, _TOP = 720, 230, 28, 14, 44


def bar_chart(title: str, bars: Mapping[str, float], *, unit: str) -> str:
    """Draw horizontal bars, one below the other, on a white ground.

    Args:
        title: Above the bars.
        bars: Label to length, at least one.
        unit: Written behind each number.
    """
    longest = max(bars.values()) or 1.0
    room = _WIDTH - _LEFT - 130
    height = _TOP + len(bars) * (_BAR + _GAP) + 6
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="14" fill="#222">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="26" font-weight="bold">{escape(title)}</text>',
    ]
    for row, (label, value) in enumerate(bars.items()):
        top = _TOP + row * (_BAR + _GAP)
        length = max(value / longest * room, 1)
        middle = top + _BAR * 0.68
        lines += [
            f'<text x="{_LEFT - 10}" y="{middle:.1f}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{length:.1f}" height="{_BAR}" fill="#2f6f8f"/>',
            f'<text x="{_LEFT + length + 8:.1f}" y="{middle:.1f}">{value:.3f}{escape(unit)}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
