"""Street files of any kind → walkable segments and their junctions, in the working CRS."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.errors import Findings, Rows
from cfc_geo.inputs.graphml import read_graphml
from cfc_geo.inputs.headings import Wanted
from cfc_geo.inputs.lines import streets_from_lines
from cfc_geo.inputs.normalise import Area, only_types, positions, project
from cfc_geo.inputs.osm import OsmLayers
from cfc_geo.inputs.read import existing_file, read_layer, refuse_unused, sniff
from cfc_geo.plan import Plan

OF_LINES = ("datum", "layer", "heading_row", "columns")
"""Keys of the block that say something of a layer of lines only."""

Streets = tuple[gpd.GeoDataFrame, pd.DataFrame]


def read_streets(plan: Plan, area: Area | None, osm: OsmLayers | None, findings: Findings) -> Streets | None:
    """Segments (`tables.STREETS`) and nodes of the plan's street file; `osm` is its content if it is an OSM file.

    Lengths are measured in the working CRS unless the file states them.
    """
    block = plan.streets
    path = plan.path(block.file)
    if not existing_file(path, block.file, findings):
        return None
    format = sniff(path)
    if format in ("osm", "pbf", "graphml"):
        refuse_unused(block, OF_LINES, block.file, format, findings)
    if format in ("osm", "pbf"):
        read = None if osm is None else (osm.streets, osm.nodes)
    elif format == "graphml":
        read = read_graphml(path, findings, file=block.file)
    else:
        return _read_lines(plan, area, findings)
    return None if read is None or area is None else _within(_projected(*read, area), area, block.file, findings)


def _read_lines(plan: Plan, area: Area | None, findings: Findings) -> Streets | None:
    """Segments and nodes of a layer of lines."""
    block = plan.streets
    raw = read_layer(plan.path(block.file), block.file, block.layer, findings, wanted=Wanted(row=block.heading_row))
    if raw is None:
        return None
    shapes = positions(raw, None, block.datum, findings)
    if shapes is None or not only_types(raw, shapes, ("LineString", "MultiLineString"), findings) or area is None:
        return None
    lines = gpd.GeoDataFrame(
        raw.frame.drop(columns="geometry"), geometry=project(shapes, area.crs).to_numpy(), crs=area.crs
    )
    columns = {name: heading for name, heading in block.columns.model_dump().items() if heading is not None}
    read = streets_from_lines(lines, columns, findings, block.file)
    return None if read is None else _within(read, area, block.file, findings)


def _projected(streets: gpd.GeoDataFrame, nodes: pd.DataFrame, area: Area) -> Streets:
    """Segments and nodes from degrees to the working CRS; lengths that the file does not state are measured."""
    streets = streets.set_geometry(project(streets.geometry, area.crs))
    length = streets["length_m"].to_numpy(dtype=float)
    streets["length_m"] = np.where(np.isnan(length), shapely.length(streets.geometry.to_numpy()), length)
    return streets, _placed(nodes, streets)


def _placed(nodes: pd.DataFrame, streets: gpd.GeoDataFrame) -> pd.DataFrame:
    """Nodes where the segments that end at them put them: every node ends some segment."""
    xy, segment = shapely.get_coordinates(streets.geometry.to_numpy(), return_index=True)
    first = np.flatnonzero(np.diff(segment, prepend=-1))
    last = np.flatnonzero(np.diff(segment, append=-1))
    place = np.empty((len(nodes), 2))
    number = pd.Index(nodes["node_id"])
    for end, vertex in (("from_node", first), ("to_node", last)):
        place[number.get_indexer(streets[end])] = xy[vertex]
    return nodes.assign(x=place[:, 0], y=place[:, 1])


def _within(read: Streets, area: Area, file: str, findings: Findings) -> Streets | None:
    """Whole segments that touch the area, and their nodes."""
    streets, nodes = read
    nowhere = ~np.isfinite(shapely.bounds(streets.geometry.to_numpy())).all(axis=1)
    if nowhere.any():
        findings.error("lines.not_finite", file, Rows.features(np.flatnonzero(nowhere)))
        return None
    touching = shapely.intersects(streets.geometry.to_numpy(), shapely.box(*area.bounds))
    if not touching.any():
        findings.error("streets.none_near", file)
        return None
    streets = streets[touching].reset_index(drop=True)
    used = np.union1d(streets["from_node"], streets["to_node"])
    return streets, nodes[nodes["node_id"].isin(used)].reset_index(drop=True)
