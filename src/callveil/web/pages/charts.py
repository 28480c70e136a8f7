"""Charts as SVG in the colours of the page. Each stands beside a table that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _LEFT, _RIGHT, _TOP = 960, 64, 8, 12
_STEPS = 4
_MOST_LABELS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What bars of one colour stand for.

    Attributes:
        name: For people.
        tone: A class of `.bar`: "before", "good", "warn", "bad"; empty for the accent.
    """

    name: str
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A place on the axis.

    Attributes:
        label: Below it; empty for none.
        title: What a pointer that rests on it is told.
        values: One for each series.
    """

    label: str
    title: str
    values: tuple[int, ...]


def bar_chart(
    name: str,
    bars: Sequence[Bar],
    series: Sequence[Series],
    *,
    stacked: bool = False,
    height: int = 240,
    below: int = 70,
) -> Markup:
    """Draw bars side by side.

    Args:
        name: What the chart shows, for those who hear the page.
        bars: At least one.
        series: What the values of a bar stand for.
        stacked: All but the first one on top of each other.
        height: Of the longest bar, in units of which the chart is 960 wide.
        below: Room for the labels.
    """
    columns = [(0,), tuple(range(1, len(series)))] if stacked else [(place,) for place in range(len(series))]
    sums = [sum(bar.values[place] for place in column) for bar in bars for column in columns]
    top = _round_up(max(sums, default=0))
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(bars))
    base, width = _TOP + height, step * 0.8 / len(columns)
    svg = Markup('<svg class="bar-chart" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    lines = [svg.format(_WIDTH, base + below, name), *_scale(top, height)]
    every = -(-sum(bool(bar.label) for bar in bars) // _MOST_LABELS)
    n_labels = 0
    for number, bar in enumerate(bars):
        left = _LEFT + (number + 0.1) * step
        lines.append(Markup("<g><title>{}</title>").format(bar.title))
        for at, column in enumerate(columns):
            y = float(base)
            for place in column:
                size = bar.values[place] * height / top
                y -= size
                if bar.values[place]:
                    lines.append(_rect(left + at * width, y, width, size, series[place].tone))
        lines.append(Markup("</g>"))
        if bar.label:
            if n_labels % every == 0:
                lines.append(_label(bar.label, left + step * 0.4, base))
            n_labels += 1
    lines.append(Markup("</svg>"))
    return Markup("\n").join(lines)


def _label(text: str, x: float, base: int) -> Markup:
    return Markup('<text transform="translate({:.1f} {}) rotate(-45)" text-anchor="end">{}</text>').format(
        x + 4, base + 14, text
    )


def legend(series: Sequence[Series]) -> Markup:
    """What the colours stand for."""
    items = Markup("").join(
        Markup(
            '<li><svg class="bar-chart swatch" viewBox="0 0 12 12" aria-hidden="true">{}</svg> {}</li>'
        ).format(_rect(0, 0, 12, 12, each.tone), each.name)
        for each in series
    )
    return Markup('<ul class="legend">{}</ul>').format(items)


def _rect(x: float, y: float, width: float, height: float, tone: str) -> Markup:
    return Markup('<rect class="bar {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        tone, x, y, width, max(1.0, height)
    )


def _scale(top: int, height: int) -> list[Markup]:
    lines = []
    for step in range(_STEPS + 1):
        y = _TOP + height * (1 - step / _STEPS)
        lines.append(
            Markup('<path class="axis" d="M{} {:.1f}H{}"/>').format(_LEFT, y, _WIDTH - _RIGHT)
            + Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
                _LEFT - 8, y + 4, escape(f"{top * step // _STEPS:,}")
            )
        )
    return lines


def _round_up(value: int) -> int:
    """The next number that the steps of the scale divide well."""
    size = int("1".ljust(len(str(value)), "0"))
    return max(_STEPS, next(step * size for step in (1, 2, 4, 8, 10) if step * size >= value))
