"""The front of an answer as a plain SVG: what more sites, or more money, would bring."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any, Final

from cfc_geo import catalog
from cfc_geo.questions.siting.front import FrontPoint
from cfc_geo.questions.siting.objectives import costs_differ
from cfc_geo.siting.find import Siting

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 56, 64
COLOURS: Final = {"cover": "#0072B2", "equity": "#D55E00"}
"""Okabe & Ito: told apart by everybody; the marks differ too."""
FONTS = "'Noto Sans CJK SC', 'Microsoft YaHei', 'PingFang SC', 'WenQuanYi Micro Hei', sans-serif"


def front_svg(siting: Siting, lang: str) -> str:
    """Two lines: the share of children covered by the best answer for children, and the share covered of the worst
    unit by the best answer for the worst unit, over the number of sites or the cost."""
    children = float(siting.problem.children.sum())
    lines = {
        "cover": [
            (_x(siting, point), point.children / children if children else 0.0) for point in _of(siting, "cover")
        ],
        "equity": [(_x(siting, point), point.worst_share) for point in _of(siting, "equity")],
    }
    most = max((x for points in lines.values() for x, _ in points), default=1.0) or 1.0
    by_cost = _by_cost(siting)
    axis = catalog.word("site.plot.cost" if by_cost else "site.plot.sites", lang, unit=escape(siting.plan.cost_unit))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONTS}" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_axes(most, axis),
        *[part for name, points in lines.items() for part in _line(name, points, most)],
        *_legend(lang),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _of(siting: Siting, objective: str) -> list[FrontPoint]:
    return [point for point in siting.front if point.objective == objective]


def _by_cost(siting: Siting) -> bool:
    return costs_differ(siting.problem)


def _x(siting: Siting, point: FrontPoint) -> float:
    return point.cost if _by_cost(siting) else float(len(point.opened))


def _place(x: float, share: float, most: float) -> tuple[float, float]:
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    return round(LEFT + across * x / most, 1), round(TOP + down * (1 - share), 1)


def _axes(most: float, label: str) -> list[str]:
    parts = []
    for fifth in range(6):
        _, y = _place(0, fifth / 5, most)
        parts += [
            f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="#444">{fifth * 20}%</text>',
        ]
    for x in _ticks(most):
        at, y = _place(x, 0, most)
        parts.append(f'<text x="{at}" y="{y + 20}" text-anchor="middle" fill="#444">{x:,.4g}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 16}" text-anchor="middle" fill="#222">{label}</text>'
    )
    return parts


def _ticks(most: float) -> list[float]:
    step = next(
        step for power in range(-3, 13) for step in (10**power, 2 * 10**power, 5 * 10**power) if most / step <= 8
    )
    if most >= 1 and float(most).is_integer():
        step = max(step, 1)
    return [step * number for number in range(int(most / step) + 1)]


def _line(name: str, points: Sequence[tuple[float, float]], most: float) -> list[str]:
    places = [_place(x, share, most) for x, share in points]
    corners = [(x, before) for (_, before), (x, _) in pairwise(places)]  # nothing is gained before the next site stands
    after = [place for pair in zip(corners, places[1:], strict=True) for place in pair]
    path = " ".join(f"{x},{y}" for x, y in [*places[:1], *after, *_to_the_end(places, most)])
    dash = "" if name == "cover" else ' stroke-dasharray="7 4"'
    drawn = [f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"{dash}/>']
    return drawn + [_mark(name, x, y) for x, y in places]


def _to_the_end(places: Sequence[tuple[float, float]], most: float) -> list[tuple[float, float]]:
    """More brings no more than the last point: so far as the other line goes."""
    return [(_place(most, 0, most)[0], places[-1][1])] if places else []


def _mark(name: str, x: float, y: float) -> str:
    if name == "cover":
        return f'<circle cx="{x}" cy="{y}" r="4.5" fill="{COLOURS[name]}"/>'
    return f'<rect x="{x - 4}" y="{y - 4}" width="8" height="8" fill="{COLOURS[name]}"/>'


def _legend(lang: str) -> list[str]:
    parts: list[Any] = []
    for row, name in enumerate(COLOURS):
        y = 18 + 20 * row
        parts += [
            _mark(name, LEFT + 6, y),
            f'<text x="{LEFT + 20}" y="{y + 5}" fill="#222">{catalog.word(f"site.plot.{name}", lang)}</text>',
        ]
    return parts
