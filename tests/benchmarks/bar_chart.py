"""Bar charts as SVG, without a plotting library."""

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


_SERIES_COLOURS = ("#2f6f8f", "#b9cfda", "#b4472f", "#e8bfae", "#5a7d3a", "#c9d8b8")
_CHART_TOP, _CHART_HEIGHT, _CHART_LEFT, _LEGEND_ROW = 52, 220, 56, 22
_STEPS = 5


def grouped_bars(title: str, series: Mapping[str, Mapping[str, float]]) -> str:
    """Draw groups of upright bars side by side, from 0 to 100 %, with a legend below.

    Args:
        title: Above the bars.
        series: Name of each series to label of each group to share, 0 to 1; all with the same labels.
    """
    groups = list(next(iter(series.values())))
    legend_top = _CHART_TOP + _CHART_HEIGHT + 44
    height = legend_top + _LEGEND_ROW * len(series)
    group_width = (_WIDTH - _CHART_LEFT - 16) / len(groups)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="13" fill="#222">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="26" font-size="14" font-weight="bold">{escape(title)}</text>',
        *_scale(),
    ]
    for column, group in enumerate(groups):
        left = _CHART_LEFT + column * group_width
        lines.append(
            f'<text x="{left + group_width / 2:.1f}" y="{_CHART_TOP + _CHART_HEIGHT + 22}" '
            f'text-anchor="middle">{escape(group)}</text>'
        )
        lines += _group([values[group] for values in series.values()], left, group_width)
    for row, name in enumerate(series):
        top = legend_top + row * _LEGEND_ROW
        lines += [
            f'<rect x="{_CHART_LEFT}" y="{top - 11}" width="14" height="14" fill="{_SERIES_COLOURS[row]}"/>',
            f'<text x="{_CHART_LEFT + 22}" y="{top + 1}">{escape(name)}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _scale() -> list[str]:
    lines = []
    for step in range(_STEPS + 1):
        y = _CHART_TOP + _CHART_HEIGHT * (1 - step / _STEPS)
        lines += [
            f'<line x1="{_CHART_LEFT}" y1="{y:.1f}" x2="{_WIDTH - 16}" y2="{y:.1f}" stroke="#ddd"/>',
            f'<text x="{_CHART_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#666">'
            f"{100 * step // _STEPS} %</text>",
        ]
    return lines


def _group(values: list[float], left: float, width: float) -> list[str]:
    bar = width * 0.8 / len(values)
    lines = []
    for number, value in enumerate(values):
        x, length = left + width * 0.1 + number * bar, value * _CHART_HEIGHT
        y = _CHART_TOP + _CHART_HEIGHT - length
        lines += [
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{bar - 2:.1f}" height="{length:.1f}" '
            f'fill="{_SERIES_COLOURS[number]}"/>',
            f'<text x="{x + bar / 2 - 1:.1f}" y="{y - 4:.1f}" text-anchor="middle" font-size="11">'
            f"{100 * value:.0f}</text>",
        ]
    return lines
