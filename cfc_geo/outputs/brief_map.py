"""The map of a brief: the parts of a place coloured by a share of children, its facilities, legend, scale, north."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from shapely import affinity

from cfc_geo import catalog
from cfc_geo.model import Dossier
from cfc_geo.outputs.drawing import POINT_MM, Area, Drawing, Item, Line, Words
from cfc_geo.outputs.entries import COLOURS, STREET_CLASSES, SYMBOLS
from cfc_geo.outputs.paper import text_mm

CLASSES: Final = ((0.2, "#ef9f5b"), (0.4, "#f5be8a"), (0.6, "#f9d9b8"), (0.8, "#fcecd9"), (1.01, "#fffaf3"))
"""Shares below which a colour ends, and the colour: the darker, the fewer children have it."""
NOT_SHOWN: Final = "#dcdcdc"
OUTSIDE, WATER, WATER_OUTSIDE, GREEN, GREEN_OUTSIDE = "#f6f6f4", "#b5d3e8", "#dde9f1", "#c9dfb9", "#e8efe2"
MAJOR, MINOR, STREET_OUTSIDE, BORDER, PLACE_BORDER = "#8f8f8f", "#bcbcbc", "#dedede", "#7a6a5a", "#333333"
MARGIN: Final = 0.03
"""Of the map's extent, around the place."""
ROW_MM: Final = 5.2
FRAME: Final = "#888888"
FINE_MM: Final = 0.04
"""Bends smaller than this are not drawn."""
MANY_SPOTS: Final = 60
LONGEST_LABEL: Final = 12
LABEL_STEPS: Final = tuple(
    sorted(
        ((x, y) for x in (-6, -4, -2, 0, 2, 4, 6) for y in (-6, -4.5, -3, -1.5, 0, 1.5, 3, 4.5, 6)),
        key=lambda at: at[0] ** 2 + at[1] ** 2,
    )
)
"""Where the name of a part is tried, from its middle outwards, in heights of the letters."""
ARC: Final = 16
SHAPES: Final = {
    "wide": [(-1.15, -0.7), (1.15, -0.7), (1.15, 0.7), (-1.15, 0.7)],
    "tall": [(-0.68, -1.12), (0.68, -1.12), (0.68, 1.12), (-0.68, 1.12)],
    "down": [(0, 1.12), (1.08, -0.78), (-1.08, -0.78)],
    "heart": [
        (0, 1.1), (-1.05, 0.05), (-1.15, -0.5), (-0.65, -0.85), (0, -0.45), (0.65, -0.85), (1.15, -0.5), (1.05, 0.05),
    ],
    "square": [(-0.87, -0.87), (0.87, -0.87), (0.87, 0.87), (-0.87, 0.87)],
    "triangle": [(0, -1.12), (1.08, 0.78), (-1.08, 0.78)],
    "diamond": [(0, -1.2), (1.08, 0), (0, 1.2), (-1.08, 0)],
    "pentagon": [(0, -1.1), (1.05, -0.34), (0.65, 0.89), (-0.65, 0.89), (-1.05, -0.34)],
    "hexagon": [(-0.55, -0.98), (0.55, -0.98), (1.1, 0), (0.55, 0.98), (-0.55, 0.98), (-1.1, 0)],
    "star": [
        (0, -1.25), (0.34, -0.44), (1.19, -0.39), (0.53, 0.17), (0.74, 1.01), (0, 0.55), (-0.74, 1.01), (-0.53, 0.17),
        (-1.19, -0.39), (-0.34, -0.44),
    ],
    "cross": [
        (-0.38, -1.08), (0.38, -1.08), (0.38, -0.38), (1.08, -0.38), (1.08, 0.38), (0.38, 0.38), (0.38, 1.08),
        (-0.38, 1.08), (-0.38, 0.38), (-1.08, 0.38), (-1.08, -0.38), (-0.38, -0.38),
    ],
}  # fmt: skip
"""The symbols of the map page, around (0, 0), y downwards; all others are circles."""


@dataclass
class Pencil:
    """Writes words into a drawing, or, where no font has their letters, numbers that `key` explains."""

    lettered: bool
    key: list[str] = field(default_factory=list)

    def say(self, text: str) -> str:
        if self.lettered or text.isascii():
            return text
        if text not in self.key:
            self.key.append(text)
        return str(self.key.index(text) + 1)


def brief_map(
    dossier: Dossier,
    parts: gpd.GeoDataFrame,
    shares: Sequence[float],
    *,
    about: str,
    size: tuple[float, float],
    lang: str,
    pencil: Pencil,
    approval: str,
) -> Drawing:
    """`parts`: the units coloured by their `shares` (NaN not known or not shown), of which `about` tells; `approval`:
    the line that a map in China needs; `size`: width and height of all, millimetres."""
    width, height = size
    place = shapely.union_all(parts.geometry.to_numpy())
    legend = _kinds_near(dossier, place)
    rows = math.ceil(len(legend) / _per_row(legend, lang, width)) if legend else 0
    two_rows = _classes_mm(about, lang) > width
    map_height = height - ROW_MM * (rows + 2 + two_rows) - 1.5
    at = _placed(place, width, map_height)
    frame = shapely.box(0, 0, width, map_height)
    items: list[Item] = [Area(frame, OUTSIDE)]
    items += _ground(dossier, place, at, frame)
    items += [Area(at(shape), colour_of(share)) for shape, share in zip(parts.geometry, shares, strict=True)]
    items += _inside(dossier, place, at, frame)
    items += [Area(at(shape), stroke=BORDER, stroke_mm=0.25) for shape in parts.geometry]
    items.append(Area(at(place), stroke=PLACE_BORDER, stroke_mm=0.6))
    spots = _spots(dossier, place, at, frame)
    items += spots
    items += _labels(parts, at, frame, [item.shape.envelope for item in spots if isinstance(item, Area)], pencil)
    items.append(Area(frame, stroke=FRAME, stroke_mm=0.3))
    items += _north(width, lang, pencil)
    items += _legend(legend, about, map_height + 1.5, width, lang, pencil, two_rows=two_rows)
    items += _foot(approval, at.per_m, height - 1.4, width, lang, pencil)
    return Drawing(width, height, tuple(items), about)


def metres_of(per_m: float, most: float) -> int:
    """Metres of a scale bar at most `most` long: 1, 2 or 5 and noughts."""
    steps: list[int] = [digit * 10**power for power in range(1, 6) for digit in (1, 2, 5)]
    return max((step for step in steps if step * per_m <= most), default=steps[0])


class _Placing:
    """From metres of the study to millimetres of the drawing."""

    def __init__(self, left: float, top: float, per_m: float) -> None:
        self._left, self._top, self.per_m = left, top, per_m

    def __call__(self, shape: Any) -> Any:
        return affinity.affine_transform(
            shape, [self.per_m, 0, 0, -self.per_m, -self._left * self.per_m, self._top * self.per_m]
        )

    def window(self, width: float, height: float) -> Any:
        return shapely.box(self._left, self._top - height / self.per_m, self._left + width / self.per_m, self._top)


def _placed(place: Any, width: float, height: float) -> _Placing:
    west, south, east, north = place.bounds
    wide, high = (east - west) * (1 + 2 * MARGIN), (north - south) * (1 + 2 * MARGIN)
    per_m = min(width / wide, height / high)
    left, top = (west + east - width / per_m) / 2, (south + north + height / per_m) / 2
    return _Placing(left, top, per_m)


def colour_of(share: float) -> str:
    """Of the class of a share; NaN is not known or not shown."""
    if math.isnan(share):
        return NOT_SHOWN
    return next(colour for most, colour in CLASSES if share < most)


# --------------------------------------------------------------------------------------------------------------- layers


def _clipped(shapes: Any, by: Any) -> list[Any]:
    cut = shapely.intersection(np.asarray(shapes, dtype=object), by)
    return [shape for shape in cut if not shape.is_empty]


def _ground(dossier: Dossier, place: Any, at: _Placing, frame: Any) -> list[Item]:
    """Water, green and streets around the place."""
    around = shapely.difference(at.window(*frame.bounds[2:]), place)
    ground, streets = dossier.finished.ground, dossier.finished.streets
    colours = {"green": GREEN_OUTSIDE, "water": WATER_OUTSIDE}
    items: list[Item] = []
    for theme, colour in colours.items():
        items += [
            Area(shapely.simplify(at(shape), FINE_MM), colour)
            for shape in _clipped(ground.geometry[ground["theme"] == theme], around)
        ]
    near = streets.geometry[streets.intersects(around)]
    return [*items, *_lines(_clipped(near, around), at, STREET_OUTSIDE, 0.2)]


def _inside(dossier: Dossier, place: Any, at: _Placing, frame: Any) -> list[Item]:
    ground, streets = dossier.finished.ground, dossier.finished.streets
    items: list[Item] = []
    for theme, colour in {"green": GREEN, "water": WATER}.items():
        items += [
            Area(shapely.simplify(at(shape), FINE_MM), colour)
            for shape in _clipped(ground.geometry[ground["theme"] == theme], place)
        ]
    here = streets[streets.intersects(place)]
    is_major = here["highway"].astype(str).str.removesuffix("_link").isin(STREET_CLASSES["major"]).to_numpy()
    for major, colour, wide in ((False, MINOR, 0.18), (True, MAJOR, 0.4)):
        items += _lines(_clipped(here.geometry[is_major == major], place), at, colour, wide)
    return items


def _lines(shapes: Sequence[Any], at: _Placing, colour: str, width_mm: float) -> list[Item]:
    """Streets of one look as one item: a page of many is slow to open."""
    parts = [part for shape in shapes for part in shapely.get_parts(shape) if part.geom_type == "LineString"]
    if not parts:
        return []
    whole = shapely.line_merge(shapely.multilinestrings(parts))
    return [Line(shapely.simplify(at(whole), FINE_MM), colour, width_mm)]


def _kinds_near(dossier: Dossier, place: Any) -> list[str]:
    """The measured kinds of which there are facilities in the place, in the order of the catalogue."""
    table = dossier.finished.facilities
    here = set(table["kind"][table.intersects(place)])
    return [kind for kind in catalog.kinds() if kind in here and kind in dossier.finished.rules.limits]


def _spots(dossier: Dossier, place: Any, at: _Placing, frame: Any) -> list[Item]:
    table = dossier.finished.facilities
    legend = _kinds_near(dossier, place)
    here = table[table["kind"].isin(legend) & table.intersects(place)]
    size = 1.1 if len(here) > MANY_SPOTS else 1.5
    order = {kind: position for position, kind in enumerate(legend)}
    shown = here.assign(order=here["kind"].map(order)).sort_values(["order", "facility_id"], ascending=[False, True])
    items: list[Item] = []
    for kind, shape in zip(shown["kind"], shown.geometry, strict=True):
        middle = at(shape.representative_point())
        if frame.contains(middle):
            items += _symbol(kind, middle.x, middle.y, size)
    return items


def _symbol(kind: str, x: float, y: float, size: float) -> list[Item]:
    group, name = SYMBOLS.get(kind, ("other", "circle"))
    outline = SHAPES.get(name) or shapely.get_coordinates(shapely.Point(0, 0).buffer(1, ARC)).tolist()
    return [
        Area(shapely.Polygon([(x + grown * dx, y + grown * dy) for dx, dy in outline]), colour)
        for grown, colour in ((size * 1.3, "#ffffff"), (size, COLOURS[group]))
    ]


def _labels(parts: gpd.GeoDataFrame, at: _Placing, frame: Any, spots: list[Any], pencil: Pencil) -> list[Item]:
    """A name in each part, the largest first, where it hits no name before it and as few symbols as can be."""
    items: list[Item] = []
    taken: list[Any] = [shapely.box(frame.bounds[2] - 12, 0, frame.bounds[2], 16)]
    symbols, high = shapely.STRtree(spots), 9 * POINT_MM
    order = sorted(zip(parts["name"], parts.geometry, strict=True), key=lambda pair: (-pair[1].area, pair[0]))
    for name, shape in order:
        drawn = at(shape)
        said, middle = pencil.say(plain_name(name, LONGEST_LABEL)), drawn.representative_point()
        wide, best, box_best = text_mm(said, 9), None, None
        for across, up in LABEL_STEPS:
            x, y = middle.x + across * high, middle.y + up * high + high / 3
            box = shapely.box(x - wide / 2, y - high, x + wide / 2, y + high * 0.25)
            if not frame.contains(box) or any(box.intersects(other) for other in taken):
                continue
            lost = (len(symbols.query(box)), not drawn.contains(box))
            if best is None or lost < best[0]:
                best, box_best = (lost, x, y), box
            if lost == (0, False):
                break
        if best is not None:
            taken.append(box_best)
            items.append(Words(said, best[1], best[2], 9, "middle", "#111111", halo=True))
    return items


def plain_name(name: str, longest: int) -> str:
    """A text of data, no longer than fits; what does not print is gone."""
    plain = "".join(mark for mark in name if mark.isprintable()).strip()
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


# --------------------------------------------------------------------------------------------------------------- legend


def _north(width: float, lang: str, pencil: Pencil) -> list[Item]:
    x, said = width - 6.5, pencil.say(catalog.word("map.north", lang)) if pencil.lettered else "N"
    return [
        Area(shapely.box(x - 4, 1.5, x + 4, 14.5), "#ffffff", FRAME, 0.2),
        Words(said, x, 5.4, 9, "middle"),
        Area(shapely.Polygon([(x, 6.2), (x + 2.2, 13.3), (x, 11.6)]), "#222222", "#222222", 0.2),
        Area(shapely.Polygon([(x, 6.2), (x - 2.2, 13.3), (x, 11.6)]), "#ffffff", "#222222", 0.2),
    ]


def _per_row(kinds: Sequence[str], lang: str, width: float) -> int:
    widest = max(text_mm(catalog.kind_name(kind, lang), 9) for kind in kinds) + 8
    return max(1, int(width // widest))


def _class_names() -> list[str]:
    ends = [0.0, *(min(most, 1) for most, _ in CLASSES)]
    return [f"{low * 100:.0f}-{high * 100:.0f}%" for low, high in pairwise(ends)]


def _classes_mm(about: str, lang: str) -> float:
    """How wide the classes are beside what they tell of."""
    names = [*_class_names(), _say("not_shown", lang)]
    return text_mm(about, 9) + 4 + sum(text_mm(name, 9) + 7.5 for name in names)


def _legend(
    kinds: Sequence[str], about: str, top: float, width: float, lang: str, pencil: Pencil, *, two_rows: bool
) -> list[Item]:
    """The classes of the shares, then the kinds."""
    y = top + ROW_MM - 1.6
    items: list[Item] = [Words(pencil.say(about), 0, y)]
    x = text_mm(pencil.say(about), 9) + 4
    if two_rows:
        x, y = 0.0, y + ROW_MM
    colours = [*(colour for _, colour in CLASSES), NOT_SHOWN]
    for said, colour in zip([*_class_names(), pencil.say(_say("not_shown", lang))], colours, strict=True):
        items += [Area(shapely.box(x, y - 3, x + 5, y + 0.3), colour, FRAME, 0.15), Words(said, x + 6, y)]
        x += 7.5 + text_mm(said, 9)
    per_row = _per_row(kinds, lang, width) if kinds else 1
    for position, kind in enumerate(kinds):
        row, column = divmod(position, per_row)
        x, down = column * width / per_row, y + ROW_MM * (row + 1)
        items += _symbol(kind, x + 2, down - 1.2, 1.5)
        items.append(Words(pencil.say(catalog.kind_name(kind, lang)), x + 5, down))
    return items


def _foot(approval: str, per_m: float, y: float, width: float, lang: str, pencil: Pencil) -> list[Item]:
    """The scale, and under which number the map was approved, or that it was not."""
    metres = metres_of(per_m, width / 4)
    key, number = ("metres", metres) if metres < 1000 else ("kilometres", metres // 1000)
    said = catalog.word(f"map.{key}", lang, n=number) if pencil.lettered else f"{metres} m"
    long = metres * per_m
    bar: list[Item] = [
        Area(shapely.box(0, y - 1.6, long / 2, y - 0.4), "#222222", "#222222", 0.2),
        Area(shapely.box(long / 2, y - 1.6, long, y - 0.4), "#ffffff", "#222222", 0.2),
        Words(said, long + 2, y),
    ]
    return [*bar, Words(approval, width, y, 9, "end")] if pencil.lettered else bar


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"brief.{key}", lang, **values)
