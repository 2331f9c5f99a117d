"""Streets that children walk and that are hard on them → connected corridors to make child-friendly.

A corridor is a path along streets: it starts at the segment that is hardest on most children and grows at both ends,
along streets of its own names as far as children walk them; where these end before the corridor is as long as asked
for, it goes through into the street that most children take. Every choice has a last tie-break by id.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.ops import linemerge

from cfc_geo.inputs.units import home_points
from cfc_geo.model import Study
from cfc_geo.tables import CORRIDOR_COLUMNS, CORRIDOR_PART_COLUMNS, children_columns

LEAST_SHARE: Final = 0.1
"""A corridor goes on only where at least this share of the children of its first segment walk."""
CROSSING_COUNTS_M: Final = 50.0
"""A crossing weighs as much as so many metres of street of the same exposure. An assumption, as are the next three."""
JOINED_M: Final = 50.0
"""A school or park is joined by a corridor if one of its entrances lies so near (inclusive, straight line)."""
BESIDE_M: Final = 100.0
"""Children live beside a corridor if their homes lie so near (inclusive, straight line)."""
CARRIAGEWAY_M: Final = 30.0
"""A segment of the same name that lies wholly so near is another carriageway of the corridor's street."""
POOL: Final = 3
"""Of so many times as many corridors as are asked for it is measured what mending them brings."""
NAMES: Final = " / "
"""Between names, in any language."""
SAME_PLACE_M: Final = 0.01
ON_STREET_M: Final = 1.0
SCHOOLS: Final = ("kindergarten", "primary_school", "middle_school", "high_school", "school")
PARKS: Final = ("park", "pocket_park", "playground")

Gained = Callable[[np.ndarray], np.ndarray]
"""Positions of rows of `ranked` → by origin, the children who have a whole low-stress route once all of these are
mended, and none now. Measured by whoever passes it."""


class Corridors(NamedTuple):
    """`table`: one row a corridor (`tables.CORRIDOR_COLUMNS`, line), worst first. `parts`: its segments and
    crossings in the order in which one comes upon them (`tables.CORRIDOR_PART_COLUMNS`, geometry)."""

    table: gpd.GeoDataFrame
    parts: gpd.GeoDataFrame


def find_corridors(
    ranked: gpd.GeoDataFrame, study: Study, *, count: int = 5, least_m: float = 400.0, most_m: float = 1500.0,
    total_m: float = np.inf, gained: Gained | None = None, walking: np.ndarray | None = None,
) -> Corridors:  # fmt: skip
    """Up to `count` corridors of `least_m` to `most_m` metres (both inclusive), together no longer than `total_m`.

    `ranked`: one row a segment or crossing: element, street_id, name, highway, length_m, stress, governed_by, evidence,
    children, exposure (children × levels above what they bear), remedies, unit_id; geometry in the study's CRS. No
    segment is in two corridors, and every corridor has some exposure. Those that are hardest on most children come
    first; with `gained`, of the first `POOL` × `count` of these, in turn the one that adds most children to those who
    have gained a low-stress route. One
    that would break `total_m` is left out, and a later, shorter one may take its place. A longer first segment than
    `most_m` is a corridor of its own. `walking`: by origin, the children of whom `gained` tells: the share who gain is
    of them, in the unit where most of those live who gain.
    Raises `ValueError` where a segment is ranked twice.
    """
    streets = _Streets(ranked, study)
    paths = sorted(_paths(streets, least_m, most_m), key=lambda path: (-streets.weight_of(path), path.ids(streets)))
    if gained is not None:
        paths = paths[: POOL * count]
    chosen = _taken(paths, [streets.positions(path) for path in paths], count, total_m, gained)
    parts = [_parts(streets, paths[one.at], number) for number, one in enumerate(chosen, start=1)]
    rows = [_row(streets, paths[one.at], part, study) for one, part in zip(chosen, parts, strict=True)]
    for row, one in zip(rows, chosen, strict=True):
        if one.alone is not None:
            row |= _gains(one.alone, walking, study) | {"children_gaining_so_far": one.so_far}
    table = gpd.GeoDataFrame(rows, columns=[*CORRIDOR_COLUMNS, "geometry"], geometry="geometry", crs=study.crs)
    empty = gpd.GeoDataFrame(columns=[*CORRIDOR_PART_COLUMNS, "geometry"], geometry="geometry", crs=study.crs)
    return Corridors(table, gpd.GeoDataFrame(pd.concat(parts, ignore_index=True)) if parts else empty)


# --------------------------------------------------------------------------------------------------------------- choice


class _Taken(NamedTuple):
    """The path `at`, and by origin who gains from it `alone` (None: not measured); `so_far`: with all before it."""

    at: int
    alone: np.ndarray | None = None
    so_far: float = np.nan


def _taken(
    paths: list["_Path"], places: list[np.ndarray], count: int, total_m: float, gained: Gained | None
) -> list[_Taken]:
    """Paths in turn: the one that adds most children to those who gain already, of equals the first (Minoux 1978: what
    one adds is measured anew only where by its last measure it would be the most)."""
    alone = [np.zeros(0) if gained is None else gained(at) for at in places]
    adds = [float(gain.sum()) for gain in alone]
    taken, measured, left_m, so_far = list[_Taken](), set(range(len(paths))), total_m, 0.0
    mended, left = np.zeros(0, dtype=np.int64), list(range(len(paths)))
    while len(taken) < count and (left := [at for at in left if paths[at].length_m <= left_m]):
        at = max(left, key=lambda at: (adds[at], -at))
        if gained is not None and at not in measured:
            adds[at] = float(gained(np.union1d(mended, places[at])).sum()) - so_far
            measured.add(at)
            continue
        mended, left_m, so_far = np.union1d(mended, places[at]), left_m - paths[at].length_m, so_far + adds[at]
        taken.append(_Taken(at) if gained is None else _Taken(at, alone[at], so_far))
        left.remove(at)
        measured.clear()
    return taken


# -------------------------------------------------------------------------------------------------------------- streets


class _Streets:
    """The ranked segments as a graph: by row ends, length, name, children and exposure; by node its segments and the
    crossings that children use there."""

    def __init__(self, ranked: gpd.GeoDataFrame, study: Study) -> None:
        ranked = ranked.assign(at=np.arange(len(ranked)))
        here = ranked["element"].eq("segment") & ranked["street_id"].isin(study.streets["street_id"])
        self.table = ranked[here].sort_values("street_id", kind="stable").reset_index(drop=True)
        if self.table["street_id"].duplicated().any():
            raise ValueError("a segment is ranked twice")
        self.crossings = ranked[ranked["element"].eq("crossing") & (ranked["children"] > 0)].reset_index(drop=True)
        of = study.streets.set_index("street_id").loc[self.table["street_id"]]
        self.ends = of[["from_node", "to_node"]].to_numpy()
        self.shapes = of.geometry.to_numpy()
        self.name = self.table["name"].fillna("").to_numpy(dtype=object)
        self.length_m, self.children, self.exposure = (
            self.table[column].to_numpy(dtype=float) for column in ("length_m", "children", "exposure")
        )
        self.beside: dict[int, list[int]] = {}
        for row, ends in enumerate(self.ends.tolist()):
            for node in sorted(set(ends)):
                self.beside.setdefault(node, []).append(row)
        self.crossings_at = self._crossings_at(study.nodes)
        self.crossings_on = self._crossings_on()

    def _crossings_at(self, nodes: pd.DataFrame) -> dict[int, list[int]]:
        """Node → crossings that lie there; the nearest node counts."""
        found: dict[int, list[int]] = {}
        tree = shapely.STRtree(shapely.points(nodes["x"], nodes["y"]))
        crossing, at = tree.query_nearest(self.crossings.geometry.to_numpy(), max_distance=SAME_PLACE_M)
        for row, node in zip(crossing.tolist(), nodes["node_id"].to_numpy()[at].tolist(), strict=True):
            found.setdefault(node, []).append(row)
        return found

    def _crossings_on(self) -> dict[int, list[int]]:
        """Segment → crossings of it that lie on it, and at no node."""
        at_nodes = {row for rows in self.crossings_at.values() for row in rows}
        segment = pd.Index(self.table["street_id"]).get_indexer(self.crossings["street_id"])
        lies_on = shapely.dwithin(self.crossings.geometry.to_numpy(), self.shapes[segment], ON_STREET_M)
        found: dict[int, list[int]] = {}
        for row, of in enumerate(segment.tolist()):
            if of >= 0 and lies_on[row] and row not in at_nodes:
                found.setdefault(of, []).append(row)
        return found

    def weight(self, row: int) -> float:
        """Exposure by metre of a segment, with the crossings on it and at its ends."""
        crossings = {at for node in self.ends[row].tolist() for at in self.crossings_at.get(node, ())}
        crossing = float(self._exposures([*sorted(crossings), *self.crossings_on.get(row, ())]).sum())
        return float(self.exposure[row] + crossing * CROSSING_COUNTS_M / max(self.length_m[row], CROSSING_COUNTS_M))

    def crossings_of(self, path: "_Path") -> dict[int, float]:
        """Crossing → metres along the path at which it lies; of those that are borne, where enough children cross."""
        start_m = np.concatenate(([0.0], np.cumsum(self.length_m[path.rows]))).tolist()
        found: dict[int, float] = {}
        for place, node in enumerate(path.nodes):
            for crossing in self.crossings_at.get(node, ()):
                found.setdefault(crossing, start_m[place])
        for place, row in enumerate(path.rows):
            middle_m = (start_m[place] + start_m[place + 1]) / 2
            found |= dict.fromkeys(self.crossings_on.get(row, ()), middle_m)
        enough = LEAST_SHARE * self.children[path.rows].max()
        told = (self._exposures(list(found)) > 0) | (self.crossings["children"].to_numpy()[list(found)] >= enough)
        kept = [(row, metres) for (row, metres), of in zip(found.items(), told, strict=True) if of]
        return dict(sorted(kept, key=lambda each: each[1]))

    def positions(self, path: "_Path") -> np.ndarray:
        """The rows of `ranked` that make up a path."""
        crossings = self.crossings["at"].to_numpy()[list(self.crossings_of(path))]
        return np.concatenate((self.table["at"].to_numpy()[path.rows], crossings))

    def _exposures(self, crossings: list[int]) -> np.ndarray:
        return np.asarray(self.crossings["exposure"].to_numpy(dtype=float)[crossings])

    def weight_of(self, path: "_Path") -> float:
        crossing = self._exposures(list(self.crossings_of(path))).sum()
        return float((self.exposure * self.length_m)[path.rows].sum() + crossing * CROSSING_COUNTS_M)

    def carriageways(self, path: "_Path") -> list[int]:
        """Other segments of the path's names that lie beside it."""
        names = {self.name[row] for row in path.rows} - {""}
        same = np.flatnonzero(np.isin(self.name, sorted(names)))
        around = shapely.union_all(self.shapes[path.rows]).buffer(CARRIAGEWAY_M)
        shapely.prepare(around)
        return [row for row in same[shapely.covers(around, self.shapes[same])].tolist() if row not in path.rows]


# --------------------------------------------------------------------------------------------------------------- growth


@dataclass
class _Path:
    """Segments in order, and the nodes between and at the ends of them: one more."""

    rows: list[int]
    nodes: list[int]
    length_m: float
    beside: list[int] = field(default_factory=list)

    def ids(self, streets: _Streets) -> list[str]:
        return [str(streets.table["street_id"].iloc[row]) for row in self.rows]

    def add(self, row: int, node: int, *, first: bool, metres: float) -> None:
        at = 0 if first else len(self.rows)
        self.rows.insert(at, row)
        self.nodes.insert(0 if first else len(self.nodes), node)
        self.length_m += metres


def _paths(streets: _Streets, least_m: float, most_m: float) -> Iterator[_Path]:
    """Corridors from every segment that is hard on children, the hardest on most children first."""
    weight = np.array([streets.weight(row) for row in range(len(streets.table))])
    free = np.ones(len(weight), dtype=bool)
    for row in np.argsort(-weight, kind="stable").tolist():
        if weight[row] <= 0:
            return
        if not free[row] or streets.children[row] <= 0 or streets.ends[row, 0] == streets.ends[row, 1]:
            continue
        path = _grow(streets, row, free, least_m, most_m)
        if path.length_m >= least_m:
            path.beside = [row for row in streets.carriageways(path) if free[row]]
            free[[*path.rows, *path.beside]] = False
            yield path


def _grow(streets: _Streets, seed: int, free: np.ndarray, least_m: float, most_m: float) -> _Path:
    path = _Path([seed], streets.ends[seed].tolist(), float(streets.length_m[seed]))
    enough = LEAST_SHARE * streets.children[seed]
    while steps := [
        (_preference(streets, path, row), row, node, first)
        for first in (True, False)
        for row, node in _steps(streets, path, free, first=first)
        if streets.children[row] >= enough and path.length_m + streets.length_m[row] <= most_m
    ]:
        (another, *_), row, node, first = min(steps)
        if another and path.length_m >= least_m:
            break
        path.add(row, node, first=first, metres=float(streets.length_m[row]))
    return path


def _steps(streets: _Streets, path: _Path, free: np.ndarray, *, first: bool) -> Iterator[tuple[int, int]]:
    """Free segments on from one end of a path, to nodes that it has not passed."""
    node = path.nodes[0 if first else -1]
    for row in streets.beside[node]:
        start, end = streets.ends[row].tolist()
        onward = end if start == node else start
        if free[row] and row not in path.rows and onward not in path.nodes:
            yield row, onward


def _preference(streets: _Streets, path: _Path, row: int) -> tuple[bool, float, float]:
    """What a corridor takes first is least: of its own names, with most children, hardest on them."""
    names = {streets.name[of] for of in path.rows} - {""}
    return streets.name[row] not in names, -float(streets.children[row]), -float(streets.exposure[row])


# --------------------------------------------------------------------------------------------------------------- tables


def _parts(streets: _Streets, path: _Path, number: int) -> gpd.GeoDataFrame:
    """The rows of `ranked` that make up a corridor, as one comes upon them, `along_m` from its first end."""
    segments = streets.table.iloc[path.rows]
    start_m = np.concatenate(([0.0], np.cumsum(streets.length_m[path.rows])))
    crossings = streets.crossings_of(path)
    together = pd.concat([segments, streets.crossings.iloc[list(crossings)]], ignore_index=True)
    together = together.assign(along_m=np.concatenate((start_m[:-1], list(crossings.values()))))
    together = together.sort_values(["along_m", "element"], kind="stable", ignore_index=True)  # crossing, then segment
    together = together.assign(corridor_id=f"C{number}", part=np.arange(1, len(together) + 1))
    return gpd.GeoDataFrame(together[[*CORRIDOR_PART_COLUMNS, "geometry"]], geometry="geometry")


def _row(streets: _Streets, path: _Path, parts: gpd.GeoDataFrame, study: Study) -> dict[str, object]:
    segments, crossings = (parts[parts["element"] == element] for element in ("segment", "crossing"))
    line = _line(segments.geometry.to_numpy())
    length_m = segments["length_m"].to_numpy(dtype=float)
    stress, assumed = segments["stress"].to_numpy(dtype=float), segments["stress_evidence"].eq("assumed").to_numpy()
    exposure = segments["exposure"].to_numpy(dtype=float) @ length_m
    total = float(length_m.sum())
    unit = _longest(segments["unit_id"].to_numpy(dtype=object), length_m)
    names = dict(zip(study.units["unit_id"], study.units["name"], strict=True))
    return {
        "corridor_id": parts["corridor_id"].iloc[0],
        "name": _name(segments),
        "from_street": _met(streets, path, path.nodes[0]),
        "to_street": _met(streets, path, path.nodes[-1]),
        "unit_id": unit,
        "unit_name": names.get(unit, ""),
        "length_m": total,
        "carriageway_m": float(streets.length_m[path.beside].sum()),
        "segments": len(segments),
        "children_on_it": float(segments["children"].max()),
        "children_beside": _children_beside(line, study),
        "exposure_m": float(exposure),
        "crossing_exposure": float(crossings["exposure"].sum()),
        "stress_worst": int(max(stress.max(), crossings["stress"].max() if len(crossings) else 0)),
        "stress_mean": float(stress @ length_m / total) if total else float(stress.mean()),
        "assumed_share": float(length_m[assumed].sum() / total) if total else np.nan,
        "crossings_hard": int((crossings["exposure"] > 0).sum()),
        **_joined(line, study),
        "remedies": _remedies(parts),
        "children_gaining": np.nan,
        "children_gaining_so_far": np.nan,
        "gaining_unit": "",
        "gaining_share": np.nan,
        "geometry": line,
    }


def _line(shapes: np.ndarray) -> shapely.Geometry:
    """The segments as one line, or as several where their ends do not quite meet."""
    return shapes[0] if len(shapes) == 1 else linemerge(list(shapes))


def _name(segments: pd.DataFrame) -> str:
    """Its streets' names, the longest stretch first; "" where none has a name."""
    named = segments[segments["name"].fillna("") != ""]
    total = named.groupby("name")["length_m"].sum().reset_index()
    return NAMES.join(total.sort_values(["length_m", "name"], ascending=[False, True])["name"])


def _met(streets: _Streets, path: _Path, node: int) -> str:
    """The name of another street that the corridor meets at one of its ends, the first in text order."""
    own = {streets.name[row] for row in path.rows}
    return min({streets.name[row] for row in streets.beside[node]} - own - {""}, default="")


def _longest(values: np.ndarray, length_m: np.ndarray) -> str:
    total = pd.Series(length_m).groupby(values).sum()
    return "" if total.empty else str(total.sort_index(kind="stable").idxmax())


def _children_beside(line: shapely.Geometry, study: Study) -> float:
    near = shapely.dwithin(np.asarray(home_points(study.origins)), line, BESIDE_M)
    return float(study.origins.loc[near, children_columns()].to_numpy(dtype=float).sum())


def _joined(line: shapely.Geometry, study: Study) -> dict[str, object]:
    """Schools and parks one of whose entrances lies beside the corridor: how many, and their names."""
    near = shapely.dwithin(study.entrances.geometry.to_numpy(), line, JOINED_M)
    joined = study.facilities[study.facilities["facility_id"].isin(study.entrances.loc[near, "facility_id"])]
    found: dict[str, object] = {}
    for what, kinds in (("schools", SCHOOLS), ("parks", PARKS)):
        of_kind = joined[joined["kind"].isin(kinds)].sort_values("facility_id")
        names = of_kind["name"].fillna("").where(lambda name: name != "", of_kind["facility_id"])
        found |= {what: len(of_kind), f"{what}_joined": NAMES.join(names)}
    return found


def _remedies(parts: pd.DataFrame) -> str:
    """Every first remedy and for how many parts it is meant, most first: "footway × 3; signal × 1"; parts that are hard
    on children and that no single change mends count as "none_alone"."""
    hard = parts[parts["exposure"] > 0]
    first = hard["remedies"].fillna("").str.split(";").str[0].replace("", "none_alone")
    counts = sorted(first.value_counts().items(), key=lambda told: (-told[1], told[0]))
    return "; ".join(f"{remedy} × {count}" for remedy, count in counts)


def _gains(gaining: np.ndarray, walking: np.ndarray | None, study: Study) -> dict[str, object]:
    """Children who gain a whole low-stress route; the unit where most of them live, and their share of those who walk
    there."""
    whole = np.full(len(gaining), np.nan) if walking is None else walking
    by_unit = pd.DataFrame({"gaining": gaining, "walking": whole}).groupby(study.origins["unit_id"].to_numpy()).sum()
    total = float(by_unit["gaining"].sum())
    if total <= 0:
        return {"children_gaining": total}
    unit = by_unit["gaining"].idxmax()
    here = by_unit.loc[unit]
    names = dict(zip(study.units["unit_id"], study.units["name"], strict=True))
    share = float(here["gaining"] / here["walking"]) if here["walking"] > 0 else np.nan
    return {"children_gaining": total, "gaining_unit": names.get(unit, ""), "gaining_share": share}
