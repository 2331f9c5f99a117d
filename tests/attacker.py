"""Someone who has every shared file, knows the rules, and wants the small counts: bounds by linear programming.

Nothing here comes from the program's own audit. What the files say is written down as they say it, for all age bands at
once: figures of the workbook and of the map, what parts make which whole, which units and squares overlap.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import shapely
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

Key = tuple[str, ...]
"""(band, unit, measure, figure) of a count by unit; "" is the measure of children themselves."""
CIRCLE, WHOLE = "circle", "all"
OF_CIRCLE, OF_KIND = ("complete", "incomplete", "unknown"), ("covered", "gap", "unknown")
CLOSE = 1e-6


def figures_of(measure: str) -> tuple[str, ...]:
    return OF_CIRCLE if measure == CIRCLE else OF_KIND


@dataclass
class Knowledge:
    """Unknowns that are never below 0, and what is known of sums of them."""

    number: dict[Key, int] = field(default_factory=dict)
    rows: list[tuple[dict[int, float], float, float]] = field(default_factory=list)

    def of(self, *key: str) -> int:
        return self.number.setdefault(key, len(self.number))

    def know(self, terms: Iterable[tuple[int, float]], lower: float, upper: float) -> None:
        summed: dict[int, float] = {}
        for unknown, factor in terms:
            summed[unknown] = summed.get(unknown, 0.0) + factor
        self.rows.append((summed, lower, upper))

    def is_sum(self, whole: int, parts: Iterable[int]) -> None:
        self.know([(whole, 1.0), *((part, -1.0) for part in parts)], 0, 0)

    def is_shown(self, key: Key, figure: float, k: float, base: float) -> None:
        """A figure that is rounded to `base`, and small ones not shown; base 0: exact."""
        lower = max(figure - base / 2, k) if base and figure else figure
        self.know([(self.of(*key), 1.0)], lower, figure + base / 2 if figure else 0.0)

    def program(self) -> tuple[csr_array, np.ndarray]:
        """A · x ≤ b."""
        row, column, value, bound = [], [], [], []
        for terms, lower, upper in self.rows:
            for sign, limit in ((1.0, upper), (-1.0, -lower)):
                if np.isfinite(limit):
                    row += [len(bound)] * len(terms)
                    column += terms
                    value += [sign * factor for factor in terms.values()]
                    bound.append(limit)
        return csr_array((value, (row, column)), shape=(len(bound), len(self.number))), np.array(bound)


def town(knowledge: Knowledge, measures: Mapping[str, list[str]], below: Mapping[str, list[str]]) -> None:
    """What must be so of any town: `measures`: band → kinds and circle; `below`: unit → units of which it is the sum.
    A circle is complete where all of its kinds are covered, and incomplete where one is a gap."""
    of, whole_is = knowledge.of, knowledge.is_sum
    for band, asked in measures.items():
        for unit, parts in below.items():
            counts = [("", "children"), *((kind, name) for kind in asked for name in figures_of(kind))]
            for kind, name in counts if parts else ():
                whole_is(of(band, unit, kind, name), [of(band, part, kind, name) for part in parts])
            for kind in asked:
                whole_is(of(band, unit, "", "children"), [of(band, unit, kind, name) for name in figures_of(kind)])


def circle(knowledge: Knowledge, band: str, basket: Iterable[str], units: Iterable[str]) -> None:
    """A circle is complete where all of the basket is covered, and incomplete where something of it is a gap."""
    of = knowledge.of
    for unit in units:
        complete, incomplete = of(band, unit, CIRCLE, "complete"), of(band, unit, CIRCLE, "incomplete")
        for kind in basket:
            knowledge.know([(of(band, unit, kind, "covered"), 1.0), (complete, -1.0)], 0, np.inf)
            knowledge.know([(incomplete, 1.0), (of(band, unit, kind, "gap"), -1.0)], 0, np.inf)
        gaps = [(of(band, unit, kind, "gap"), 1.0) for kind in basket]
        unknown = [(of(band, unit, kind, "unknown"), 1.0) for kind in basket]
        children = of(band, unit, "", "children")
        knowledge.know([*gaps, (incomplete, -1.0)], 0, np.inf)
        knowledge.know([*gaps, *unknown, (complete, 1.0), (children, -1.0)], 0, np.inf)


def walks(
    knowledge: Knowledge, shown: Mapping[Key, float], limits: Mapping[str, float], below: Mapping[str, list[str]]
) -> None:
    """Mean walks (band, unit, kind, "walk"), told to 10 m, are child-metres per child; those of a unit add up."""
    for band, kind in sorted({(key[0], key[2]) for key in shown}):
        for unit, parts in below.items():
            walked, covered = knowledge.of(band, unit, kind, "walk"), knowledge.of(band, unit, kind, "covered")
            knowledge.know([(covered, 1.0), (walked, -1.0)], 0, np.inf)  # in limits walked: nobody walks farther
            if parts:
                knowledge.is_sum(walked, [knowledge.of(band, part, kind, "walk") for part in parts])
            if (metres := shown.get((band, unit, kind, "walk"))) is not None:
                for side, lower, upper in ((-5, 0, np.inf), (5, -np.inf, 0)):
                    knowledge.know([(walked, 1.0), (covered, -(metres + side) / limits[kind])], lower, upper)


def squares(knowledge: Knowledge, page: Mapping[str, Any], bands: list[str]) -> None:
    """The squares of the map: children of all bands, whose circle is complete or not (the rest), live in the parts
    where squares and units at the bottom overlap. Of a square: ("square", its turn, "", what)."""
    shapes = {unit["id"]: area(unit["at"]) for unit in page["areas"]}
    bottom = [unit for unit in shapes if not any(_is_in(other, unit, shapes) for other in shapes)]
    here: dict[str, list[str]] = {unit: [] for unit in bottom}
    of = knowledge.of
    for turn, block in enumerate(page["blocks"]):
        square, at = str(turn), area(block["at"])
        units = [unit for unit in bottom if shapely.intersects(at, shapes[unit])]
        for unit in units:
            here[unit].append(square)
            parts = [of("square", square, unit, what) for what in ("complete", "rest")]
            knowledge.is_sum(of("square", square, unit, "children"), parts)
        for what in ("children", "complete", "rest"):
            knowledge.is_sum(of("square", square, "", what), [of("square", square, unit, what) for unit in units])
        children, complete = (of("square", square, "", what) for what in ("children", "complete"))
        if isinstance(block["children"], list):
            least, below = block["children"]
            knowledge.know([(children, 1.0)], least, np.inf if below is None else below)
        if isinstance(block["share"], list):
            for bound, lower, upper in ((block["share"][0], 0, np.inf), (block["share"][1], -np.inf, 0)):
                knowledge.know([(complete, 1.0), (children, -bound)], lower, upper)
    for unit, inside in here.items():
        for what, counts in (("children", ("", "children")), ("complete", (CIRCLE, "complete"))):
            terms = [(of("square", square, unit, what), -1.0) for square in inside]
            knowledge.know([*((of(band, unit, *counts), 1.0) for band in bands), *terms], 0, 0)


def _is_in(inner: str, outer: str, shapes: Mapping[str, shapely.Geometry]) -> bool:
    return inner != outer and shapely.area(shapely.intersection(shapes[inner], shapes[outer])) > 0.9 * shapely.area(
        shapes[inner]
    )


def area(polygons: list[Any]) -> shapely.Geometry:
    return shapely.make_valid(shapely.union_all([shapely.Polygon(rings[0], rings[1:]) for rings in polygons]))


# --------------------------------------------------------------------------------------------------------- the attack


def most(knowledge: Knowledge, targets: Mapping[Key, float]) -> dict[Key, float]:
    """Key → the most that its count can be, but no more than its target."""
    matrix, bound = knowledge.program()
    left, found = dict(targets), {}
    while left:
        x = _raised(matrix, bound, {knowledge.number[key]: target for key, target in left.items()})
        done = [key for key, target in left.items() if x[knowledge.number[key]] >= target - CLOSE]
        found |= {key: left.pop(key) for key in done}
        if not done:
            break
    return found | {key: min(furthest(matrix, bound, knowledge.number[key], 1), target) for key, target in left.items()}


def furthest(matrix: csr_array, bound: np.ndarray, number: int, way: int) -> float:
    """The most (`way` 1) or the least (-1) that an unknown can be."""
    cost = np.zeros(matrix.shape[1])
    cost[number] = -way
    answer = linprog(cost, A_ub=matrix, b_ub=bound)
    assert answer.status in (0, 3), answer.message
    return np.inf if answer.status == 3 else float(answer.x[number])


def _raised(matrix: csr_array, bound: np.ndarray, wanted: Mapping[int, float]) -> np.ndarray:
    """A table in which the sum of these unknowns, each counted up to its target, is as large as it can be."""
    width, extra = matrix.shape[1], len(wanted)
    row = np.repeat(np.arange(extra), 2)
    column = np.column_stack([list(wanted), width + np.arange(extra)]).ravel()
    capped = csr_array((np.tile([-1.0, 1.0], extra), (row, column)), shape=(extra, width + extra))
    wider = csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], width + extra))
    cost = np.concatenate([np.zeros(width), np.full(extra, -1.0)])
    limits = [(0, None)] * width + [(0, target) for target in wanted.values()]
    answer = linprog(cost, A_ub=vstack([wider, capped]), b_ub=np.concatenate([bound, np.zeros(extra)]), bounds=limits)
    assert answer.status == 0, answer.message
    return np.asarray(answer.x[:width])


# ---------------------------------------------------------------------------------------------------------- the files


def page_data(path: Path) -> dict[str, Any]:
    """What a page holds."""
    found = re.search(r'<script type="application/json" id="cfc-data">(.*?)</script>', path.read_text(encoding="utf-8"))
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def sheet_rows(path: Path, number: int) -> list[tuple[Any, ...]]:
    """The records of a sheet, without its heading."""
    book = openpyxl.load_workbook(path, read_only=True)
    return list(book.worksheets[number].iter_rows(min_row=2, values_only=True))
