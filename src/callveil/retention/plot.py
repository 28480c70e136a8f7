"""A simulation as a picture: when audio ends, before and after a change. SVG without a plotting library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape

from callveil.retention.simulate import OPEN, Simulation

_WIDTH, _LEFT, _RIGHT, _TOP, _HEIGHT, _BELOW = 960, 76, 20, 84, 260, 74
_STEPS = 4
_MOST_LABELS = 24
_UNITS = {"month": 48, "quarter": 144, "year": 10**6}
"""What a bar stands for, by the number of months there are."""

DUE, NO_DATE = "due", "no date"
_COLOURS = {"now": "#b9cfda", "then": "#2f6f8f"}


def plot(simulation: Simulation, *, before: str, after: str) -> str:
    """Draw the audio of how many calls ends when: pale bars as before the change, dark ones as after it.

    What is due on the day is one bar, and so is what has no date. More than 48 months become quarters,
    more than 144 become years.

    Args:
        simulation: What to draw.
        before: Name of the policies of before, for the legend.
        after: Name of those of after; the same draws one bar only.
    """
    unit, bars = bars_of(simulation)
    top = _round_up(max(value for pair in bars.values() for value in pair))
    step = (_WIDTH - _LEFT - _RIGHT) / len(bars)
    title = f"Calls whose audio ends, by {unit}; due: what has ended before {simulation.on:%Y-%m-%d}"
    height = _TOP + _HEIGHT + _BELOW
    names = {"now": before, "then": after} if before != after else {"then": after}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="16" y="26" font-size="15" font-weight="bold">{escape(title)}</text>',
        *_legend(names),
        *_scale(top),
    ]
    every = -(-len(bars) // _MOST_LABELS)
    for number, (label, (old, new)) in enumerate(bars.items()):
        left = _LEFT + number * step
        values = {"now": old, "then": new}
        for place, side in enumerate(names):
            lines.append(_bar(left + place * step * 0.42, step * 0.84 / len(names), values[side] / top, side))
        if number % every == 0 or label in (DUE, NO_DATE):
            place_x, place_y = left + step / 2 + 4, _TOP + _HEIGHT + 14
            lines.append(
                f'<text transform="translate({place_x:.1f} {place_y}) rotate(-55)" text-anchor="end">'
                f"{escape(label)}</text>"
            )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bar(left: float, width: float, share: float, side: str) -> str:
    length = _HEIGHT * share
    return (
        f'<rect x="{left:.1f}" y="{_TOP + _HEIGHT - length:.1f}" width="{width:.1f}" height="{length:.1f}" '
        f'fill="{_COLOURS[side]}"/>'
    )


def bars_of(simulation: Simulation) -> tuple[str, dict[str, tuple[int, int]]]:
    """What a bar stands for, and label to calls before and after, in order of time, without gaps."""
    sums: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for (_, month), counts in simulation.rows.items():
        for side, (ends, deleted) in enumerate(
            ((counts.ends_before, counts.deleted_before), (counts.ends_after, counts.deleted_after))
        ):
            sums[side][DUE] += deleted.n_calls
            sums[side][month] += ends.n_calls - deleted.n_calls
    found = {month for side in sums for month, n in side.items() if n}
    months = _between(sorted(found - {DUE, OPEN}))
    unit = next(unit for unit, most in _UNITS.items() if len(months) <= most)
    labels: dict[str, list[str]] = {DUE: [DUE]}
    for month in months:
        labels.setdefault(_span(month, unit), []).append(month)
    labels[NO_DATE] = [OPEN]
    return unit, {
        label: (sum(sums[0][key] for key in keys), sum(sums[1][key] for key in keys))
        for label, keys in labels.items()
    }


def _between(months: list[str]) -> list[str]:
    if not months:
        return []
    first, last = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (months[0], months[-1]))
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(first, last + 1)]


def _span(month: str, unit: str) -> str:
    """The bar that a month is in."""
    quarter = f"{month[:4]} Q{(int(month[5:]) + 2) // 3}"
    return {"month": month, "quarter": quarter, "year": month[:4]}[unit]


def _round_up(value: int) -> int:
    """The next number that the steps of the scale divide well."""
    size = int("1".ljust(len(str(value)), "0"))
    return max(_STEPS, next(step * size for step in (1, 2, 4, 8, 10) if step * size >= value))


def _legend(names: Mapping[str, str]) -> list[str]:
    lines = []
    for number, (side, name) in enumerate(names.items()):
        x = _LEFT + number * 400
        lines += [
            f'<rect x="{x}" y="42" width="14" height="14" fill="{_COLOURS[side]}"/>',
            f'<text x="{x + 20}" y="54">{escape(name)}</text>',
        ]
    return lines


def _scale(top: int) -> list[str]:
    lines = []
    for step in range(_STEPS + 1):
        y = _TOP + _HEIGHT * (1 - step / _STEPS)
        lines += [
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#ddd"/>',
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#666">{top * step // _STEPS:,}'
            "</text>",
        ]
    return lines
