"""Which streets and crossings to mend first: children × stress above what they bear, and what mending each would bring.

A remedy is one that the rules of stress say is enough for every profile that walks there. What it brings is measured:
trips that have no walk without a place too hard are searched again with that one place mended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.catalog import Profile
from cfc_geo.model import Study
from cfc_geo.network.excess import crossing_excess, street_excess
from cfc_geo.network.flows import Excess, Flows, Trips, Ways, bearable, without
from cfc_geo.network.stress import crossing_stress, remedied_crossings, remedied_streets
from cfc_geo.network.traits import traits_of
from cfc_geo.tables import RANKED_COLUMNS

STREET, CROSSING, MIDBLOCK = 0, 1, 2
SEGMENT_WORD, CROSSING_WORD = "segment", "crossing"
LEAST: Final = 1e-9


@dataclass(frozen=True, eq=False)
class Walked:
    """The trips of one kind as they are walked by a profile, each with the metres of its shortest walk; `no_way` are
    the children of those trips that it cannot walk."""

    kind: str
    profile: Profile
    trips: Trips
    excess: Excess
    flows: Flows
    no_way: float = 0.0


@dataclass(frozen=True, eq=False)
class Places:
    """Every street and crossing on which children walk. `ranked`: `tables.RANKED_COLUMNS`, most exposure first; `of`
    (`STREET`, `CROSSING`, `MIDBLOCK`) and `elements` (a tuple a row) say which elements of the graph each row is."""

    ranked: gpd.GeoDataFrame
    of: np.ndarray
    elements: np.ndarray
    walked: list[Walked]
    ways: Ways
    study: Study
    detour: float

    def children_gaining(self, rows: np.ndarray) -> np.ndarray:
        """By origin, the children who have a walk without a place too hard once those of `rows` of `ranked` that have a
        remedy are mended, and have none now: searched anew, not estimated."""
        rows = np.asarray(rows)[(self.ranked["remedies"] != "").to_numpy()[rows]]
        streets, crossings, midblocks = (
            np.array([at for row in rows if self.of[row] == of for at in self.elements[row]], dtype=np.int64)
            for of in (STREET, CROSSING, MIDBLOCK)
        )
        shapes, over = self.ranked.geometry.to_numpy()[rows], self.of[rows] == MIDBLOCK
        shapes[over] = self.study.streets.geometry.to_numpy()[midblocks]  # crossed anywhere along it
        gain = np.zeros(len(self.study.origins))
        for one in self.walked:
            mended = without(one.excess, streets=streets, crossings=crossings, midblocks=midblocks)
            trips = _pending_near(one, self.study, shapely.union_all(shapes), self.detour)
            if len(trips.origin):
                gains = np.where(bearable(self.ways, mended, trips, detour=self.detour), trips.children, 0.0)
                gain += np.bincount(trips.origin, weights=gains, minlength=len(gain))
        return gain


def rank_places(walked: list[Walked], ways: Ways, study: Study, *, detour: float) -> Places:
    """Every street and crossing on which somebody of `walked` walks; children_gaining is still empty."""
    parts = [_streets(walked, ways, study), _crossings(walked, ways, study), _midblocks(walked, ways, study)]
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    order = ["exposure", "children", "street_id", "node_id", "element"]
    table = table.sort_values(order, ascending=[False, False, True, True, True], kind="stable", ignore_index=True)
    table["rank"] = np.where(table["exposure"] > LEAST, np.arange(1, len(table) + 1), 0)
    table["children_gaining"] = np.nan
    ranked = gpd.GeoDataFrame(table, geometry="geometry", crs=study.crs)
    ranked["unit_id"] = units_at(ranked.geometry.to_numpy(), study)
    of, elements = ranked["_of"].to_numpy(), ranked["_elements"].to_numpy()
    return Places(ranked[[*RANKED_COLUMNS, "geometry"]], of, elements, walked, ways, study, detour)


def measure_gains(places: Places, most: int) -> Places:
    """With children_gaining of each of the first `most` places that have a remedy, every one mended alone."""
    table = places.ranked
    gains = np.full(len(table), np.nan)
    for row in np.flatnonzero((table["exposure"] > LEAST) & (table["remedies"] != ""))[:most]:
        gains[row] = places.children_gaining(np.array([row])).sum()
    return replace(places, ranked=table.assign(children_gaining=gains))


def safe_children(one: Walked) -> float:
    """Children of whose trip some walk has no place too hard."""
    return float(one.trips.children[one.flows.borne == 0].sum())


def units_at(shapes: np.ndarray, study: Study) -> np.ndarray:
    """The unit of the lowest level in which the middle of each shape lies, "" outside."""
    leaves = study.units[~study.units["unit_id"].isin(study.units["parent_id"])].sort_values("unit_id")
    middle = shapely.centroid(shapes)
    is_line = shapely.get_type_id(shapes) == 1
    middle[is_line] = shapely.line_interpolate_point(shapes[is_line], 0.5, normalized=True)
    place, unit = shapely.STRtree(leaves.geometry.to_numpy()).query(middle, predicate="intersects")
    found = np.full(len(shapes), "", dtype=object)
    order = np.lexsort((unit, place))[::-1]  # the least id is written last, and stays
    found[place[order]] = leaves["unit_id"].to_numpy(dtype=object)[unit[order]]
    return found


# ------------------------------------------------------------------------------------------------------------- elements


def _streets(walked: list[Walked], ways: Ways, study: Study) -> pd.DataFrame:
    children = np.sum([one.flows.street for one in walked], axis=0)
    shortest = np.sum([one.flows.street_shortest for one in walked], axis=0)
    exposure = np.sum([(one.flows.street * np.minimum(one.excess.street, 3)).sum(axis=1) for one in walked], axis=0)
    levels = ways.stress[["stress", "stress_left", "stress_right"]].to_numpy()
    rows = np.flatnonzero((children + shortest).sum(axis=1) > LEAST)
    stress = np.where(children > LEAST, levels, 0).max(axis=1)
    worse = (stress > levels[:, 0])[rows]  # walked on the side without a footway
    streets = study.streets
    return _table(
        rows,
        STREET,
        element=SEGMENT_WORD,
        street_id=streets["street_id"].to_numpy(dtype=object)[rows],
        node_id="",
        name=streets["name"].fillna("").to_numpy(dtype=object)[rows],
        highway=ways.classes[rows],
        length_m=streets["length_m"].to_numpy(dtype=float)[rows],
        crossing_type="",
        stress=np.where(stress > 0, stress, levels[:, 0])[rows],
        governed_by=np.where(worse, "one_side", ways.stress["governed_by"].to_numpy(dtype=object)[rows]),
        stress_evidence=np.where(
            worse,
            ways.stress["footway_evidence"].to_numpy(dtype=object)[rows],
            ways.stress["stress_evidence"].to_numpy(dtype=object)[rows],
        ),
        children=children.sum(axis=1)[rows],
        children_shortest=shortest.sum(axis=1)[rows],
        exposure=exposure[rows],
        remedies=_street_remedies(walked, ways, study)[rows],
        geometry=streets.geometry.to_numpy()[rows],
    )


def _crossings(walked: list[Walked], ways: Ways, study: Study) -> pd.DataFrame:
    """One row a street that is crossed at a junction, whichever of its two arms there: what is told of it is true of
    the hardest arm in use, and a remedy is one for both."""
    children = np.sum([one.flows.crossing for one in walked], axis=0)
    shortest = np.sum([one.flows.crossing_shortest for one in walked], axis=0)
    exposure = np.sum([one.flows.crossing * np.minimum(one.excess.crossing, 3) for one in walked], axis=0)
    crossings = ways.graph.crossings
    street_id = crossings["street_id"].to_numpy(dtype=object)
    names = study.streets.set_index("street_id")["name"].fillna("").reindex(street_id).to_numpy(dtype=object)
    place = _places_of(crossings, names)
    rows = np.flatnonzero(children + shortest > LEAST)
    unused, stress = children[rows] <= LEAST, crossings["stress"].to_numpy()[rows]
    rows = rows[np.lexsort((-exposure[rows], -stress, unused, place[rows]))]
    first = np.flatnonzero(np.diff(place[rows], prepend=-1))
    arms = np.split(rows, first)[1:]
    hardest = crossings.iloc[rows[first]]
    now, enough = _crossing_remedies(walked, ways)
    told = {name: hardest[name].to_numpy(dtype=object) for name in ("highway", "crossing_type", "governed_by")}
    return _table(
        arms,
        CROSSING,
        element=CROSSING_WORD,
        street_id=np.array([" ".join(sorted(street_id[of])) for of in arms], dtype=object),
        node_id=hardest["node_id"].astype(str).to_numpy(dtype=object),
        name=names[rows[first]],
        length_m=0.0,
        stress=hardest["stress"].to_numpy(),
        stress_evidence=hardest["stress_evidence"].to_numpy(dtype=object),
        children=np.add.reduceat(children[rows], first),
        children_shortest=np.add.reduceat(shortest[rows], first),
        exposure=np.add.reduceat(exposure[rows], first),
        remedies=_listed(
            np.logical_or.reduceat(now[rows], first),
            {name: np.logical_and.reduceat((helps | ~now)[rows], first) for name, helps in enough.items()},
        ),
        geometry=hardest.geometry.to_numpy(),
        **told,
    )


def _places_of(crossings: pd.DataFrame, names: np.ndarray) -> np.ndarray:
    """By crossing the number of its place. The two arms of a street at a junction are one: a walk over the street
    crosses one of them. More than two are not, for a walk may cross several, and would count more than once. Streets
    without a name are told apart by their class."""
    street = np.where(names != "", names, "\n" + crossings["highway"].astype(str))
    arms = crossings.assign(street=street).groupby(["node_id", "street"], sort=False)["street"]
    several = arms.transform("size").to_numpy() > 2
    found: np.ndarray = np.where(several, len(crossings) + np.arange(len(crossings)), arms.ngroup())
    return found


def _midblocks(walked: list[Walked], ways: Ways, study: Study) -> pd.DataFrame:
    children = np.sum([one.flows.midblock for one in walked], axis=0)
    shortest = np.sum([one.flows.midblock_shortest for one in walked], axis=0)
    exposure = np.sum([one.flows.midblock * np.minimum(one.excess.midblock, 3) for one in walked], axis=0)
    rows = np.flatnonzero(children + shortest > LEAST)
    streets = study.streets
    lines = streets.geometry.to_numpy()[rows]
    return _table(
        rows,
        MIDBLOCK,
        element=CROSSING_WORD,
        street_id=streets["street_id"].to_numpy(dtype=object)[rows],
        node_id="",
        name=streets["name"].fillna("").to_numpy(dtype=object)[rows],
        highway=ways.classes[rows],
        length_m=0.0,
        crossing_type="none",
        stress=ways.midblock_stress[rows],
        governed_by="type",
        stress_evidence="assumed",
        children=children[rows],
        children_shortest=shortest[rows],
        exposure=exposure[rows],
        remedies=_midblock_remedies(walked, ways, study)[rows],
        geometry=shapely.line_interpolate_point(lines, 0.5, normalized=True),
    )


def _table(elements: Sequence[np.ndarray] | np.ndarray, of: int, **columns: object) -> pd.DataFrame:
    """`elements`: by row those of the graph that it is, one or several."""
    of_row = [tuple(np.atleast_1d(one).tolist()) for one in elements]
    return pd.DataFrame({"_of": of, "_elements": of_row, **columns}, index=range(len(elements)))


# ------------------------------------------------------------------------------------------------------------- remedies


def _street_remedies(walked: list[Walked], ways: Ways, study: Study) -> np.ndarray:
    enough = {}
    for name, levels in remedied_streets(study.streets).items():
        worst = [street_excess(levels, ways.steps, ways.tunnel, one.profile).max(axis=1) for one in walked]
        enough[name] = np.max(worst, axis=0) == 0
    now = np.max([one.excess.street.max(axis=1) for one in walked], axis=0) > 0
    return _listed(now, enough)


def _crossing_remedies(walked: list[Walked], ways: Ways) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """By crossing of the graph, whether it is too hard for somebody of `walked`, and what would be enough."""
    table = ways.graph.crossings
    ranks = {name: rank for rank, name in enumerate(catalog.stress_rules()["volumes"])}
    facts = (
        table["crossing_type"].to_numpy(dtype=object), table["island"].to_numpy(dtype=bool),
        table["speed_kmh"].to_numpy(dtype=float), table["lanes_count"].to_numpy(dtype=float),
        table["volume"].map(ranks).to_numpy(),
    )  # fmt: skip
    now = np.max([one.excess.crossing for one in walked], axis=0) > 0
    return now, _enough(walked, facts, table["highway"].to_numpy(dtype=object))


def _midblock_remedies(walked: list[Walked], ways: Ways, study: Study) -> np.ndarray:
    traits = traits_of(study.streets)
    none, bare = np.full(len(traits.cars), "none", dtype=object), np.zeros(len(traits.cars), dtype=bool)
    facts = (none, bare, traits.speed_kmh, traits.lanes, traits.volume)
    now = np.max([one.excess.midblock for one in walked], axis=0) > 0
    return _listed(now, _enough(walked, facts, ways.classes))


def _enough(
    walked: list[Walked], facts: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], highway: np.ndarray
) -> dict[str, np.ndarray]:
    """Remedy → which crossings no profile of `walked` then finds too hard, walking there or not."""
    found = {}
    for name, then in remedied_crossings(*facts).items():
        level = crossing_stress(*then)
        found[name] = np.max([crossing_excess(level, then[0], highway, one.profile) for one in walked], axis=0) == 0
    return found


def _listed(now: np.ndarray, enough: dict[str, np.ndarray]) -> np.ndarray:
    """The single remedies that are enough, joined by ";"; the pairs where no single one is; "" where none or nothing is
    to be mended."""
    words = np.full(len(now), "", dtype=object)
    for pairs in (False, True):
        blank = words == ""
        for name, helps in enough.items():
            if ("+" in name) == pairs:
                rows = np.flatnonzero(now & helps & blank)
                words[rows] = [f"{word};{name}" if word else name for word in words[rows]]
    return words


# -------------------------------------------------------------------------------------------------------------- measure


def _pending_near(one: Walked, study: Study, shape: shapely.Geometry, detour: float) -> Trips:
    """Trips without a bearable walk to facilities near enough for one to lead over `shape`."""
    pending = one.flows.borne != 0
    facilities, number = np.unique(one.trips.facility, return_inverse=True)
    most_m = np.zeros(len(facilities))
    np.maximum.at(most_m, number[pending], one.trips.metres[pending] * detour + 1)
    ids = study.facilities["facility_id"].to_numpy(dtype=object)[facilities]
    of_gate = pd.Index(ids).get_indexer(study.entrances["facility_id"])
    apart = shapely.distance(study.entrances.geometry.to_numpy(), shape)
    near = np.zeros(len(facilities), dtype=bool)
    mine = of_gate >= 0
    np.logical_or.at(near, of_gate[mine], apart[mine] <= most_m[of_gate[mine]])
    keep = pending & near[number]
    trips = one.trips
    return Trips(trips.origin[keep], trips.facility[keep], trips.children[keep], trips.metres[keep])
