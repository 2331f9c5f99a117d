"""Links that a scenario draws: joined to the streets at their two ends, and to nothing that they cross.

An end joins the nearest place on the nearest street that the file holds and no edit closes: never another link, so that
no link depends on another. Where that is not a junction, the street is cut into pieces, whose lengths add up to its own
to the nanometre.
"""

import itertools
import math
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.ops import substring

from cfc_geo.edits import AddLink
from cfc_geo.inputs.ledger import Ledger, Numbered, places_of
from cfc_geo.inputs.walkable import is_walkable, may_be_walked
from cfc_geo.model import Study
from cfc_geo.plan import Plan
from cfc_geo.tables import STREET_COLUMNS

JUNCTION_M = 0.5
"""A place on a street so near to one of its ends is that end."""
SAME_PLACE_M = 1e-3
VERTEX_M = 1e-6
NM = 1e9
SHOWN_IDS = 8
PIECES = string.ascii_lowercase


class Joint(NamedTuple):
    """Where an end joins the streets: the junction `node`, or (-1) a place on the street `row`, `along_m` as drawn."""

    row: int
    node: int
    along_m: float
    place: tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Link:
    """A drawn link and where its ends join; `line` leads from joint to joint."""

    edit: Numbered
    block: AddLink
    ends: tuple[Joint, Joint]
    line: shapely.LineString


def join_links(
    study: Study,
    streets: gpd.GeoDataFrame,
    nodes: pd.DataFrame,
    plan: Plan,
    edits: Sequence[Numbered],
    ledger: Ledger,
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Streets and nodes with the links that `add_link` and `footbridge` draw, marked `added`, in order of their ids."""
    drawn = [(edit, block) for edit in edits if (block := edit.edit.add_link or edit.edit.footbridge)]
    if not drawn:
        return streets, nodes
    base = _Base(streets)
    links = [link for edit, block in drawn if (link := _draw_link(edit, block, base, study, plan, ledger))]
    if not links:
        return streets, nodes
    links.sort(key=lambda link: link.block.id)
    numbers = _number_cuts(links, int(nodes["node_id"].max()) + 1)
    for link in links:
        _tell_link(link, streets, numbers, ledger)
    rows = pd.DataFrame([_row_of_link(link, numbers) for link in links])
    cut = _cut_streets(streets.assign(**{name: _MARKS[name] for name in _MARKS if name not in streets}), numbers)
    added = gpd.GeoDataFrame(rows, geometry="geometry", crs=streets.crs)[list(cut.columns)]
    return gpd.GeoDataFrame(pd.concat([cut, added], ignore_index=True)), _with_cuts(nodes, numbers)


_MARKS: dict[str, Any] = {"added": False, "closed": False, "whole": None, "whole_m": np.nan}
"""`tables.STREET_EDITS` of a street that no edit touches."""

CUT_COLUMNS = ("street_id", "from_node", "to_node", "length_m", "whole", "whole_m")
"""What differs between the pieces of a street, beside their shape."""

Numbers = dict[tuple[int, float], tuple[int, tuple[float, float]]]
"""(row, along_m) of a cut → the new node there, and its place."""


class _Base:
    """The streets that links may join: those that may be walked and that no edit closes."""

    def __init__(self, streets: gpd.GeoDataFrame) -> None:
        walkable = may_be_walked(streets)
        closed = streets["closed"].to_numpy(dtype=bool) if "closed" in streets else np.zeros(len(streets), dtype=bool)
        self.streets = streets
        self.rows = np.flatnonzero(walkable & ~closed)
        self.shapes = streets.geometry.to_numpy()
        self.tree = shapely.STRtree(self.shapes[self.rows])
        self.level = (streets["bridge"].eq(True) | streets["tunnel"].eq(True)).to_numpy(dtype=bool)

    def joints(self, end: shapely.Point) -> tuple[list[Joint], float]:
        """Where `end` may join: the places that are as near as the nearest, and how far that is."""
        (nearest,), (metres,) = self.tree.query_nearest(end, all_matches=False, return_distance=True)
        near = self.rows[np.union1d(nearest, self.tree.query(end, "dwithin", distance=metres + SAME_PLACE_M))]
        found = [self._joint(int(row), end) for row in near]
        at_nodes = {joint.node: joint for joint in found if joint.node >= 0}
        return [*at_nodes.values(), *(joint for joint in found if joint.node < 0)], float(metres)

    def _joint(self, row: int, end: shapely.Point) -> Joint:
        line, street = self.shapes[row], self.streets.iloc[row]
        along_m = float(line.project(end))
        if along_m <= min(JUNCTION_M, line.length / 2):
            return Joint(row, int(street["from_node"]), 0.0, line.coords[0][:2])
        if along_m >= line.length - JUNCTION_M:
            return Joint(row, int(street["to_node"]), line.length, line.coords[-1][:2])
        return Joint(row, -1, along_m, line.interpolate(along_m).coords[0])

    def crossed(self, link: _Link) -> list[str]:
        """Ids of the streets that a link crosses, those apart that it joins."""
        rows = self.rows[self.tree.query(link.line, "intersects")]
        joined = {joint.row for joint in link.ends}
        ends = {joint.node for joint in link.ends if joint.node >= 0}
        return [
            street.street_id
            for street in self.streets.iloc[[row for row in rows.tolist() if row not in joined]].itertuples()
            if not {street.from_node, street.to_node} & ends
        ]


# -------------------------------------------------------------------------------------------------------- drawing


def _draw_link(edit: Numbered, block: AddLink, base: _Base, study: Study, plan: Plan, ledger: Ledger) -> _Link | None:
    """The link from joint to joint; None, with every error of it, if it cannot be built."""
    errors = len(ledger.findings.errors)
    ids = study.streets["street_id"]
    if (ids == block.id).any() or ids.str.startswith(f"{block.id}.").any():
        ledger.error(edit, "link.id_exists", link=block.id)
    if block.highway is not None and not is_walkable({"highway": block.highway}):
        ledger.error(edit, "link.not_walkable", highway=block.highway)
    place = places_of(edit, block.line, block.datum, study, plan, ledger)
    if place is None:
        return None
    if shapely.LineString(place).length <= SAME_PLACE_M:
        ledger.error(edit, "link.no_length", link=block.id)
        return None
    first, last = (_join(shapely.Point(place[end]), end, edit, block, base, ledger) for end in (0, -1))
    if first is None or last is None:
        return None
    if first.node == last.node >= 0 or np.hypot(*np.subtract(first.place, last.place)) <= SAME_PLACE_M:
        ledger.error(edit, "link.same_place", link=block.id)
    if len(ledger.findings.errors) > errors:
        return None
    link = _Link(edit, block, (first, last), _from_joint_to_joint(first, place, last))
    _warn_of_crossings(link, base, study.backdrop, ledger)
    return link


def _from_joint_to_joint(first: Joint, drawn: np.ndarray, last: Joint) -> shapely.LineString:
    """The drawn line with its ends on the streets; vertices on the one before or on an end are dropped."""
    kept = [first.place]
    for x, y in drawn.tolist():
        if min(math.dist((x, y), kept[-1]), math.dist((x, y), last.place)) > VERTEX_M:
            kept.append((x, y))
    return shapely.LineString([*kept, last.place])


def _join(end: shapely.Point, which: int, edit: Numbered, block: AddLink, base: _Base, ledger: Ledger) -> Joint | None:
    """Where one end of a link joins; None, with an error, where it is too far from any street or might join several."""
    said = {"link": block.id, "end": 1 if which == 0 else len(block.line)}
    if not len(base.rows):
        ledger.error(edit, "link.no_street", **said)
        return None
    joints, metres = base.joints(end)
    names = [base.streets["street_id"].iloc[joint.row] for joint in joints]
    if metres > block.within_m + SAME_PLACE_M:
        metres, within_m = round(metres, 1), block.within_m
        ledger.error(edit, "link.end_far", **said, metres=metres, within_m=within_m, street=names[0])
        return None
    if len(joints) > 1:
        ledger.error(edit, "link.end_ambiguous", **said, ids=sorted(names)[:SHOWN_IDS])
        return None
    if joints[0].node < 0 and base.level[joints[0].row]:
        ledger.warning(edit, "link.end_on_bridge", **said, street=names[0])
    return joints[0]


def _warn_of_crossings(link: _Link, base: _Base, backdrop: gpd.GeoDataFrame, ledger: Ledger) -> None:
    if link.block.tunnel or _is_bridge(link):
        return
    if crossed := base.crossed(link):
        shown = sorted(crossed)[:SHOWN_IDS]
        ledger.note(link.edit, "link.crosses", link=link.block.id, count=len(crossed), ids=shown)
    obstacles = backdrop.geometry[backdrop["theme"].isin(["water", "rail"])]
    if len(obstacles) and obstacles.intersects(link.line).any():
        ledger.warning(link.edit, "link.over_water", link=link.block.id)


def _is_bridge(link: _Link) -> bool:
    return link.block.bridge or link.edit.edit.footbridge is not None


# ---------------------------------------------------------------------------------------------------------- building


def _number_cuts(links: Sequence[_Link], first: int) -> Numbers:
    """A new node for every place at which links cut a street."""
    cuts = sorted({(end.row, end.along_m, end.place) for link in links for end in link.ends if end.node < 0})
    return {(row, along_m): (first + turn, place) for turn, (row, along_m, place) in enumerate(cuts)}


def _node(end: Joint, numbers: Numbers) -> int:
    return end.node if end.node >= 0 else numbers[end.row, end.along_m][0]


def _row_of_link(link: _Link, numbers: Numbers) -> dict[str, Any]:
    block = link.block
    steps = bool(block.steps) or block.highway == "steps"
    return {
        **dict.fromkeys(STREET_COLUMNS, ""),  # what no edit says of a street, nobody says
        **_MARKS,
        "street_id": block.id,
        "from_node": _node(link.ends[0], numbers),
        "to_node": _node(link.ends[1], numbers),
        "length_m": link.line.length,
        "forward": True,
        "backward": not block.oneway,
        "highway": block.highway or ("steps" if steps else "footway"),
        "name": block.name or "",
        "maxspeed": "" if block.maxspeed is None else str(block.maxspeed),
        "lanes": "" if block.lanes is None else str(block.lanes),
        "sidewalk": block.sidewalk or "",
        "crossing": "",
        "bridge": _is_bridge(link),
        "tunnel": block.tunnel,
        "steps": steps,
        "added": True,
        "geometry": link.line,
    }


def _cut_streets(streets: gpd.GeoDataFrame, numbers: Numbers) -> gpd.GeoDataFrame:
    """Streets with every cut one as its pieces, in its place; each piece keeps its tags and remembers the whole."""
    cuts: dict[int, dict[int, float]] = {}
    for (row, along_m), (node, _) in numbers.items():
        cuts.setdefault(row, {})[node] = along_m
    count = np.array([1 + len(cuts.get(row, ())) for row in range(len(streets))])
    first, last = np.cumsum(count) - count, np.cumsum(count)
    pieces = streets.iloc[np.repeat(np.arange(len(streets)), count)].reset_index(drop=True)
    shapes = pieces.geometry.to_numpy().copy()
    columns = {name: pieces[name].to_numpy(copy=True) for name in CUT_COLUMNS}
    taken = set(streets["street_id"])
    for row, of_row in cuts.items():
        at = slice(first[row], last[row])
        whole, whole_m = streets.geometry.iloc[row], float(streets["length_m"].iloc[row])
        shapes[at], columns["length_m"][at] = _pieces(whole, whole_m, list(of_row.values()))
        columns["street_id"][at] = _piece_ids(streets["street_id"].iloc[row], count[row], taken)
        columns["from_node"][at][1:] = columns["to_node"][at][:-1] = list(of_row)
        columns["whole"][at], columns["whole_m"][at] = whole, whole_m
    return pieces.assign(**columns).set_geometry(gpd.GeoSeries(shapes, crs=streets.crs))


def _pieces(
    line: shapely.LineString, length_m: float, along_m: Sequence[float]
) -> tuple[list[shapely.LineString], np.ndarray]:
    """A line cut at places along it, and the stated length of each piece: as drawn, in whole nanometres."""
    stops = np.array([0.0, *along_m, line.length])
    stops_nm = np.rint(stops / line.length * np.rint(length_m * NM))
    shapes = [substring(line, here, there) for here, there in itertools.pairwise(stops)]
    return shapes, np.diff(stops_nm) / NM


def _piece_ids(street_id: str, count: int, taken: set[str]) -> list[str]:
    """ "w12.0" → "w12.0.a", "w12.0.b", …; with a mark more where the file has such ids."""
    mark = "."
    while any(f"{street_id}{mark}{_letters(piece)}" in taken for piece in range(count)):
        mark += "."
    return [f"{street_id}{mark}{_letters(piece)}" for piece in range(count)]


def _letters(number: int) -> str:
    """0, 1, …, 25, 26 → a, b, …, z, ba."""
    high, low = divmod(number, len(PIECES))
    return (_letters(high) if high else "") + PIECES[low]


def _with_cuts(nodes: pd.DataFrame, numbers: Numbers) -> pd.DataFrame:
    """Nodes with those where streets were cut."""
    places = dict(sorted(numbers.values()))
    columns: dict[str, Any] = dict.fromkeys(nodes.columns, "")
    xy = np.array(list(places.values()), dtype=float).reshape(-1, 2)
    cuts = pd.DataFrame({**columns, "node_id": list(places), "x": xy[:, 0], "y": xy[:, 1]}, index=range(len(places)))
    return pd.concat([nodes, cuts.astype({"node_id": nodes["node_id"].dtype})], ignore_index=True) if places else nodes


def _tell_link(link: _Link, streets: gpd.GeoDataFrame, numbers: Numbers, ledger: Ledger) -> None:
    """Every attribute of a link as a change; where it begins and ends, the street it joins there."""
    row = _row_of_link(link, numbers)
    for name in ("name", "highway", "maxspeed", "lanes", "sidewalk", "bridge", "tunnel", "steps"):
        if row[name]:
            ledger.change(link.edit, link.block.id, name, "", row[name])
    ledger.change(link.edit, link.block.id, "length_m", "", f"{row['length_m']:.1f}")
    if link.block.oneway:
        ledger.change(link.edit, link.block.id, "oneway", "", True)
    for what, end in zip(("from_street", "to_street"), link.ends, strict=True):
        ledger.change(link.edit, link.block.id, what, "", streets["street_id"].iloc[end.row])
