"""Facility files → facilities, and the points where each can be entered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.blocks import Facilities
from cfc_geo.errors import Findings
from cfc_geo.inputs.cell_texts import read_date
from cfc_geo.inputs.duplicates import Merged, merge_duplicates
from cfc_geo.inputs.headings import Wanted, match_headings
from cfc_geo.inputs.kinds import read_kinds, review_table
from cfc_geo.inputs.normalise import (
    Area,
    column,
    ids,
    inside_area,
    numbers,
    only_types,
    positions,
    project,
    repaired,
    text,
    texts,
)
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.read import read_layer, refuse_unused, sniff
from cfc_geo.inputs.records import check_records
from cfc_geo.inputs.standing import SAYING, is_open
from cfc_geo.inputs.units import assign_units
from cfc_geo.plan import Plan
from cfc_geo.tables import (
    ENTRANCE_COLUMNS,
    FACILITY_COLUMNS,
    FACILITY_NUMBERS,
    FACILITY_TEXTS,
    KIND_WORD,
    REVIEW_COLUMNS,
)

OSM_UNUSED = {
    "kind",
    "not_open",
    "kinds",
    "unknown_kinds",
    "columns",
    "attributes",
    "entrances",
    "datum",
    "layer",
    "heading_row",
}
"""Keys of a block that say nothing of an OSM file."""
EVERY_M = 10.0
"""A street that runs along an outline leads in everywhere: an entrance at least every so many metres."""

SHAPES = ("Point", "Polygon", "MultiPolygon")
FACILITY_ROLES = ("id", "name", "kind", "lon", "lat", "capacity", *FACILITY_TEXTS, *FACILITY_NUMBERS, *SAYING)
ENTRANCE_ROLES = ("facility", "lon", "lat")
ENTRANCE_FAR_M = 300.0
"""A stated entrance lies no farther from its facility: undeclared Amap or Baidu coordinates do."""


@dataclass(frozen=True, eq=False)
class FacilityLayers:
    """All files of a plan together, in the working CRS. `given` are entrances that files state (facility_id, geometry);
    `surveyed` are the kinds of which some file is the full list; `review`, `merged` and `duplicated` are as in
    `Study`."""

    facilities: gpd.GeoDataFrame
    given: gpd.GeoDataFrame
    surveyed: frozenset[str]
    review: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(REVIEW_COLUMNS)))
    merged: dict[str, str] = field(default_factory=dict)
    duplicated: frozenset[str] = frozenset()


ReadOsm = Callable[[Facilities], "tuple[gpd.GeoDataFrame, gpd.GeoDataFrame] | None"]


def read_facilities(
    plan: Plan, units: gpd.GeoDataFrame | None, area: Area | None, read_osm: ReadOsm, findings: Findings
) -> FacilityLayers | None:
    """Facilities of every file that touch the area, and their stated entrances; faults go to `findings`.

    `read_osm` answers for files of OpenStreetMap with facilities (facility_id, kind, name, capacity) and entrances.
    """
    read = [
        _take_osm(block, read_osm, findings)
        if sniff(plan.path(block.file)) in ("osm", "pbf")
        else _read_block(plan, block, units, area, findings)
        for block in plan.facilities
    ]
    parts = [part for part in read if part is not None]
    if not parts or area is None or units is None:
        return None
    facilities = pd.concat([part.facilities for part in parts], ignore_index=True)
    given = pd.concat([part.given for part in parts], ignore_index=True)
    _check_unique(facilities, findings)
    facilities = gpd.GeoDataFrame(_with_attributes(facilities), crs=area.crs)
    kept = Merged(facilities, {})
    if facilities["facility_id"].is_unique:
        names = units["name"].tolist()
        kept = merge_duplicates(facilities, plan.duplicates, names, findings, plan_file=plan.file.name)
    facilities, given = kept.facilities, given.assign(facility_id=given["facility_id"].replace(kept.into))
    if facilities.empty:
        findings.warning("facilities.none", " + ".join(dict.fromkeys(block.file for block in plan.facilities)))
    facilities["unit_id"] = assign_units(facilities.geometry, units)
    facilities = facilities.sort_values("facility_id", ignore_index=True)
    facilities = facilities[[*FACILITY_COLUMNS, *FACILITY_TEXTS, *FACILITY_NUMBERS, KIND_WORD, "geometry"]]
    layers = FacilityLayers(
        gpd.GeoDataFrame(facilities, crs=area.crs),
        gpd.GeoDataFrame(given, crs=area.crs),
        frozenset().union(*(part.surveyed for part in parts)),
        pd.concat([part.review for part in parts], ignore_index=True),
        kept.into,
        kept.doubtful,
    )
    if not findings.errors:
        _warn_of_far_entrances(layers, findings)
    return layers


def find_entrances(
    facilities: gpd.GeoDataFrame, given: gpd.GeoDataFrame, streets: gpd.GeoDataFrame, snap_limit_m: float
) -> gpd.GeoDataFrame:
    """Where each facility can be entered (`tables.ENTRANCE_COLUMNS`), never its centroid.

    A point is its own entrance. A polygon has the entrances given for it; else every point where a walkable street
    crosses its outline; else, as an assumption, the point of the outline nearest to a walkable street within the snap
    limit; a polygon that has none of these cannot be reached.
    """
    shapes = facilities.geometry.to_numpy()
    names = facilities["facility_id"].to_numpy()
    is_point = shapely.get_type_id(shapes) == 0
    with_given = np.isin(names, given["facility_id"].to_numpy(dtype=object))
    left = np.flatnonzero(~is_point & ~with_given)
    ground = streets.geometry.to_numpy()[~(streets["bridge"] | streets["tunnel"]).to_numpy(dtype=bool)]
    crossing, crossing_points = _outline_crossings(shapes[left], ground)
    without = np.setdiff1d(np.arange(len(left)), crossing)
    near, near_points = _nearest_outline_points(shapes[left[without]], ground, snap_limit_m)
    point_own = is_point & ~with_given
    owner = np.concatenate(
        [
            given["facility_id"].to_numpy(dtype=object),
            names[point_own],
            names[left[crossing]],
            names[left[without[near]]],
        ]
    )
    counts = [len(given), int(point_own.sum()), len(crossing), len(near)]
    evidence = np.repeat(np.array(["given", "point", "outline", "nearest"], dtype=object), counts)
    points = np.concatenate([given.geometry.to_numpy(), shapes[point_own], crossing_points, near_points])
    entrances = gpd.GeoDataFrame(
        {ENTRANCE_COLUMNS[0]: owner, ENTRANCE_COLUMNS[1]: evidence}, geometry=points, crs=facilities.crs
    )
    x, y = shapely.get_x(points), shapely.get_y(points)
    return entrances.iloc[np.lexsort((y, x, owner.astype(str)))].reset_index(drop=True)


def _outline_crossings(polygons: np.ndarray, streets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of polygons, repeated, and the points where streets meet their outlines."""
    outlines = shapely.boundary(polygons)
    polygon, street = shapely.STRtree(streets).query(outlines, predicate="intersects")
    met = shapely.intersection(outlines[polygon], streets[street])
    parts, index = shapely.get_parts(met, return_index=True)
    ends = shapely.get_type_id(parts) == 1  # a street that runs along the outline
    along = shapely.extract_unique_points(shapely.segmentize(parts[ends], EVERY_M))
    spread, spread_index = shapely.get_parts(along, return_index=True)
    points = np.concatenate([parts[~ends], spread])
    owner = np.concatenate([polygon[index[~ends]], polygon[index[ends][spread_index]]])
    xy = np.column_stack([owner, np.round(shapely.get_x(points), 3), np.round(shapely.get_y(points), 3)])
    keep = np.unique(xy, axis=0, return_index=True)[1] if len(xy) else np.array([], dtype=int)
    return owner[keep].astype(int), points[keep]


def _nearest_outline_points(polygons: np.ndarray, streets: np.ndarray, limit_m: float) -> tuple[np.ndarray, np.ndarray]:
    """For polygons with a street within the limit: their position, and the point of the outline nearest to it."""
    if not len(polygons) or not len(streets):
        return np.array([], dtype=int), np.array([], dtype=object)
    outlines = shapely.boundary(polygons)
    polygon, street = shapely.STRtree(streets).query_nearest(outlines, max_distance=limit_m, all_matches=True)
    links = shapely.shortest_line(outlines[polygon], streets[street])
    points = shapely.get_point(links, 0)
    order = np.lexsort((shapely.get_y(points), shapely.get_x(points), polygon))
    first = order[np.unique(polygon[order], return_index=True)[1]]
    return polygon[first], points[first]


# -------------------------------------------------------------------------------------------------------- one file


def _take_osm(block: Facilities, read_osm: ReadOsm, findings: Findings) -> FacilityLayers | None:
    """Facilities of an OSM file. Volunteers map what they map: the list is full only of the kinds the plan says."""
    refuse_unused(block, OSM_UNUSED, block.file, "osm", findings)
    read = read_osm(block)
    if read is None:
        return None
    table, given = (frame.assign(facility_id=block.id_prefix + frame["facility_id"]) for frame in read)
    return FacilityLayers(table.assign(source=block.file), given, frozenset(block.surveys))


def _read_block(
    plan: Plan, block: Facilities, units: gpd.GeoDataFrame | None, area: Area | None, findings: Findings
) -> FacilityLayers | None:
    """Facilities of a table or layer, which is taken as the full list of the kinds it holds, here or elsewhere; but not
    if some of its records are of unknown kind, because each may be one more of any."""
    stated = {**block.columns.model_dump(), **block.attributes}
    given = {role: heading for role, heading in stated.items() if heading is not None}
    wanted = Wanted(given, block.heading_row)
    raw = read_layer(plan.path(block.file), block.file, block.layer, findings, wanted=wanted)
    if raw is None:
        return None
    roles = [role for role in FACILITY_ROLES if role != "kind" or block.kind is None]
    columns = match_headings(raw, roles, given, block.datum, findings)
    shapes = positions(raw, (columns.get("lon"), columns.get("lat")), block.datum, findings)
    facility_id = ids(raw, columns.get("id"), findings)
    if "id" not in columns:
        facility_id = plan.path(block.file).stem + "-" + facility_id
    table = pd.DataFrame(
        {
            "facility_id": block.id_prefix + facility_id,
            "kind": read_kinds(raw, block, columns.get("kind"), findings),
            "name": texts(raw, columns.get("name"), findings),
            "capacity": _numbers(raw, columns, "capacity", findings),
            **{role: texts(raw, columns.get(role), findings) for role in FACILITY_TEXTS},
            **{role: _numbers(raw, columns, role, findings) for role in FACILITY_NUMBERS},
            KIND_WORD: texts(raw, columns.get("kind"), Findings()),
        }
    )
    table["opened"] = _dates(raw, table["opened"], columns.get("opened"), findings)
    is_there = is_open(raw, block, columns, table["name"], findings)
    entrances = _read_entrances(plan, block, set(facility_id), findings) if block.entrances else None
    if shapes is None or not only_types(raw, shapes, SHAPES, findings) or area is None:
        return None
    shapes, inside = inside_area(raw, repaired(raw, shapes, findings), area, findings)
    if units is not None:
        check_records(raw, shapes, columns, units, findings)
    frame = gpd.GeoDataFrame(table.assign(source=block.file), geometry=shapes.to_numpy(), crs=area.crs)
    wanted_kinds = frame["kind"].isin(catalog.kinds() if block.only is None else block.only).to_numpy()
    listed = frame[inside & wanted_kinds & is_there].reset_index(drop=True)
    unknown = (frame["kind"] == "").to_numpy()
    surveyed = set() if unknown.any() else {*block.surveys, *frame.loc[wanted_kinds, "kind"]}
    return FacilityLayers(
        listed,
        _entrance_frame(entrances, block, listed["facility_id"], area),
        frozenset(surveyed),
        review_table(raw, table[KIND_WORD], table["name"], unknown),
    )


def _with_attributes(facilities: pd.DataFrame) -> pd.DataFrame:
    """With every attribute a file may state, "" or NaN where it does not."""
    said = {
        name: facilities[name].fillna("") if name in facilities else pd.Series("", index=facilities.index, dtype=object)
        for name in (*FACILITY_TEXTS, KIND_WORD)
    }
    numbers_of = {name: facilities.get(name, np.nan) for name in FACILITY_NUMBERS}
    return facilities.assign(**said, **numbers_of)


def _numbers(raw: RawLayer, columns: Mapping[str, str], role: str, findings: Findings) -> np.ndarray:
    """A number of every record, NaN unknown; a wrong one that no answer depends on is unknown, with a warning."""
    told = Findings()
    values = numbers(raw, columns.get(role), told, blank=np.nan, measure=catalog.roles()[role].measure)
    if role in FACILITY_NUMBERS:
        told = Findings(replace(found, severity="warning") if found.severity == "error" else found for found in told)
        values[values < 0] = np.nan
    findings.extend(told)
    return values


def _dates(raw: RawLayer, texts: pd.Series, name: str | None, findings: Findings) -> pd.Series:
    """Dates as ISO text; "" with a warning where a cell holds none."""
    dates = texts.map(read_date)
    lost = (dates == "") & ~texts.isin({"", *catalog.cell_words("blank")})
    if lost.any():
        findings.warning(
            "facilities.no_date", raw.file, raw.rows(lost), column=name, values=sorted(set(texts[lost]))[:5]
        )
    return dates


def _read_entrances(plan: Plan, block: Facilities, known: set[str], findings: Findings) -> gpd.GeoDataFrame | None:
    """Points with the id of the facility they lead into."""
    entrances = block.entrances
    assert entrances is not None
    given = {role: heading for role in ENTRANCE_ROLES if (heading := getattr(entrances, role)) is not None}
    wanted = Wanted(given, entrances.heading_row)
    raw = read_layer(plan.path(entrances.file), entrances.file, entrances.layer, findings, wanted=wanted)
    if raw is None:
        return None
    columns = match_headings(raw, ENTRANCE_ROLES, given, entrances.datum, findings)
    shapes = positions(raw, (columns.get("lon"), columns.get("lat")), entrances.datum, findings)
    if "facility" not in columns:
        findings.error("entrances.no_facility", raw.file, raw.whole)
    owner = column(raw, columns.get("facility"), findings)
    if owner is None or shapes is None or not only_types(raw, shapes, ("Point",), findings):
        return None
    owner = text(owner).reset_index(drop=True)
    if (unknown := ~owner.isin(known)).any():
        shown = sorted(set(owner[unknown]))[:5]
        findings.error("entrances.unknown_facility", raw.file, raw.rows(unknown), ids=shown)
    return gpd.GeoDataFrame({"facility_id": owner}, geometry=shapes.to_numpy(), crs=shapes.crs)


def _entrance_frame(given: gpd.GeoDataFrame | None, block: Facilities, kept: pd.Series, area: Area) -> gpd.GeoDataFrame:
    if given is None:
        return gpd.GeoDataFrame({"facility_id": pd.Series([], dtype=object)}, geometry=[], crs=area.crs)
    named = given.assign(facility_id=block.id_prefix + given["facility_id"])
    named = named.set_geometry(project(named.geometry, area.crs))
    return named[named["facility_id"].isin(kept)].reset_index(drop=True)


def _warn_of_far_entrances(layers: FacilityLayers, findings: Findings) -> None:
    shapes = layers.facilities.set_index("facility_id").geometry.reindex(layers.given["facility_id"])
    away_m = shapely.distance(shapes.to_numpy(), layers.given.geometry.to_numpy())
    if (far := away_m > ENTRANCE_FAR_M).any():
        ids = sorted(set(layers.given["facility_id"][far]))
        findings.warning("entrances.far", "", count=int(far.sum()), limit_m=ENTRANCE_FAR_M, ids=ids[:8])


def _check_unique(facilities: pd.DataFrame, findings: Findings) -> None:
    repeated = facilities[facilities["facility_id"].duplicated(keep=False)]
    if len(repeated):
        shown = sorted(set(repeated["facility_id"]))[:5]
        findings.error("facilities.id_in_two_files", " + ".join(sorted(set(repeated["source"]))), ids=shown)
