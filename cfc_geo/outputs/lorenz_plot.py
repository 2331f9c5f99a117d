"""Lorenz curves as a plain SVG: how evenly children are served."""

from html import escape
from typing import Final

import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Result
from cfc_geo.outputs.front_plot import FONTS
from cfc_geo.outputs.score_words import say
from cfc_geo.questions.scorecard.equity import Lorenz, curve_of, gini, same_level
from cfc_geo.tables import ALL_UNITS, CIRCLE

SIZE, LEFT, TOP, PANEL_W, PANEL_H = 150, 46, 44, 236, 236
"""Points: the side of a plot, and its place in a panel."""
ACROSS: Final = 3
LINE, EVEN = "#0072B2", "#999"


def lorenz_svg(result: Result, level: str, lang: str) -> str:
    """One panel a kind, and one for the whole circle; units of `level`."""
    panels = list(_curves(result, level, lang))
    height = 40 + PANEL_H * -(-len(panels) // ACROSS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PANEL_W * ACROSS} {height}"',
        f' font-family="{FONTS}" font-size="11">',
        f'<rect width="{PANEL_W * ACROSS}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="15">{escape(say("plot.title", lang, level=level))}</text>',
    ]
    for number, (name, curve) in enumerate(panels):
        left, top = PANEL_W * (number % ACROSS), 30 + PANEL_H * (number // ACROSS)
        parts.append(f'<g transform="translate({left} {top})">{_panel(name, curve, lang)}</g>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _curves(result: Result, level: str, lang: str) -> "list[tuple[str, Lorenz]]":
    circle = result.circle_by_unit.rename(columns={"complete": "covered"}).assign(kind=CIRCLE)
    told = pd.concat([circle, result.coverage_by_unit], ignore_index=True)
    told = told[told["unit_id"] != ALL_UNITS]
    told = told[told["level"].map(same_level(told["level"])) == level]
    found = []
    for kind, part in told.groupby("kind", sort=False):
        units = part.groupby("unit_id")[["children", "covered"]].sum(min_count=1)
        curve = curve_of(units)
        if len(curve.children) > 2 and curve.served[-1] == 1:
            name = say("plot.circle", lang) if kind == CIRCLE else catalog.kind_name(str(kind), lang)
            found.append((name, curve))
    return found


def _panel(name: str, curve: Lorenz, lang: str) -> str:
    points = " ".join(
        f"{LEFT + SIZE * x:.1f},{TOP + SIZE * (1 - y):.1f}" for x, y in zip(curve.children, curve.served, strict=True)
    )
    bottom, right = TOP + SIZE, LEFT + SIZE
    heading = f"{name} · {say('plot.gini', lang, gini=f'{gini(curve):.2f}')}"
    ticks = "".join(
        f'<text x="{LEFT + SIZE * share}" y="{bottom + 14}" text-anchor="middle" fill="#555">{share:.0%}</text>'
        f'<text x="{LEFT - 5}" y="{TOP + SIZE * (1 - share) + 4}" text-anchor="end" fill="#555">{share:.0%}</text>'
        for share in (0, 0.5, 1)
    )
    return (
        f'<text x="{LEFT}" y="{TOP - 10}" font-size="12">{escape(heading)}</text>'
        f'<rect x="{LEFT}" y="{TOP}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#ddd"/>'
        f'<line x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{TOP}" stroke="{EVEN}" stroke-dasharray="4 3"/>'
        f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="2"/>{ticks}'
        f'<text x="{LEFT}" y="{bottom + 28}" fill="#555">{escape(say("plot.x", lang))}</text>'
        f'<text transform="translate({LEFT - 34} {bottom}) rotate(-90)" fill="#555">'
        f"{escape(say('plot.y', lang))}</text>"
    )
