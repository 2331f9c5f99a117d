"""Which parts of which streets lie within a facility's limit on foot, to the metre."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.model import Attachment, Network
from cfc_geo.network.costs import at_nodes, travel_costs


def reached_streets(
    network: Network,
    attached: Attachment,
    facilities: pd.DataFrame,
    *,
    streets: gpd.GeoSeries,
    limit_m: "float | pd.Series",
) -> gpd.GeoDataFrame:
    """Parts of segments from which a walker on the street comes to the facility within its limit (inclusive).

    facility_id, segment (row of the streets), from_m, to_m along it in its stated length, and the part as drawn; of one
    segment and facility there may be two parts. A segment of length 0 is reached whole or not at all. `facilities`
    needs facility_id; `streets` are the segments as drawn, row by row; `limit_m` may be by facility_id.
    """
    ids = pd.Index(facilities["facility_id"])
    limits = limit_m.loc[ids].to_numpy(dtype=float) if isinstance(limit_m, pd.Series) else np.full(len(ids), limit_m)
    parts = pd.concat(
        [_from_junctions(network, attached, facilities, limits), _from_entrances(network, attached, ids, limits)]
    )
    whole = network.segment_m[parts["segment"].to_numpy(dtype=np.int64)] == 0
    parts = _merged(parts[(parts["to_m"] > parts["from_m"]) | whole])
    segment = parts["segment"].to_numpy(dtype=np.int64)
    lines, stated = streets.to_numpy()[segment], network.segment_m[segment]
    shares = [np.divide(parts[end], stated, out=np.zeros(len(parts)), where=stated > 0) for end in ("from_m", "to_m")]
    shares[1][stated == 0] = 1.0
    parts["facility_id"] = ids[parts["facility"].to_numpy(dtype=np.int64)]
    columns = ["facility_id", "segment", "from_m", "to_m"]
    return gpd.GeoDataFrame(parts[columns], geometry=cut_lines(lines, *shares), crs=streets.crs)


def cut_lines(lines: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The part of each line from the share `start` of its length to the share `end`, 0 ≤ start < end ≤ 1."""
    drawn_m = shapely.length(lines)
    xy, line = shapely.get_coordinates(lines, return_index=True)
    step = np.hypot(*np.diff(xy, axis=0, prepend=xy[:1]).T)
    run_m = np.cumsum(step)
    first = np.searchsorted(line, np.arange(len(lines)))
    along_m = run_m - run_m[first][line] if len(line) else run_m
    inside = (along_m > (start * drawn_m)[line]) & (along_m < (end * drawn_m)[line])
    ends = np.concatenate(
        [shapely.get_coordinates(shapely.line_interpolate_point(lines, at, normalized=True)) for at in (start, end)]
    )
    number = np.arange(len(lines))
    owner = np.concatenate([line[inside], number, number])
    place = np.concatenate([along_m[inside], start * drawn_m, end * drawn_m])
    rank = np.concatenate([np.ones(inside.sum()), np.zeros(len(lines)), np.full(len(lines), 2)])
    order = np.lexsort((rank, place, owner))
    return np.asarray(shapely.linestrings(np.concatenate([xy[inside], ends])[order], indices=owner[order]))


def _from_junctions(
    network: Network, attached: Attachment, facilities: pd.DataFrame, limits_m: np.ndarray
) -> pd.DataFrame:
    """Parts from which the walk leads through a junction: facility, segment, from_m, to_m."""
    costs = travel_costs(
        network,
        at_nodes(network, attached),
        facilities,
        horizon_m=pd.Series(limits_m, pd.Index(facilities["facility_id"])),
    )
    node, facility = (costs.pairs[name].cat.codes.to_numpy() for name in ("origin_id", "facility_id"))
    left_m = limits_m[facility] - costs.pairs["metres"].to_numpy()
    count = np.diff(network.arcs.start)[node]
    pair = np.repeat(np.arange(len(node)), count)
    arc = network.arcs.start[node][pair] + np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
    segment, here = network.arc_segment[arc], node[pair]
    length_m, left_m = network.segment_m[segment], left_m[pair]
    at_end = (network.segment_to[segment] == here) & network.segment_forward[segment]
    at_start = (network.segment_from[segment] == here) & network.segment_backward[segment]
    by_end = pd.DataFrame(
        {
            "facility": facility[pair],
            "segment": segment,
            "from_m": np.maximum(0.0, length_m - left_m),
            "to_m": length_m,
        }
    )
    by_start = by_end.assign(from_m=0.0, to_m=np.minimum(length_m, left_m))
    return pd.concat([by_end[at_end], by_start[at_start]])


def _from_entrances(network: Network, attached: Attachment, ids: pd.Index, limits_m: np.ndarray) -> pd.DataFrame:
    """Parts of the segments on which entrances lie, from which the walk leads straight along them."""
    snaps = attached.entrances
    facility = ids.get_indexer(attached.facility_of_entrance)
    entrance = np.flatnonzero((facility >= 0) & snaps.attached & (snaps.node < 0))
    segment, at_m = snaps.segment[entrance], snaps.at_m[entrance]
    left_m = np.maximum(0.0, limits_m[facility[entrance]] - snaps.snap_m[entrance])
    before = np.where(network.segment_forward[segment], np.maximum(0.0, at_m - left_m), at_m)
    after = np.where(network.segment_backward[segment], np.minimum(network.segment_m[segment], at_m + left_m), at_m)
    return pd.DataFrame({"facility": facility[entrance], "segment": segment, "from_m": before, "to_m": after})


def _merged(parts: pd.DataFrame) -> pd.DataFrame:
    """Parts that touch or overlap as one, by facility, segment and place."""
    parts = parts.sort_values(["facility", "segment", "from_m"], kind="stable", ignore_index=True)
    group = parts.groupby(["facility", "segment"], sort=False).ngroup().to_numpy()
    reach_m = parts.groupby(group)["to_m"].cummax().to_numpy()
    new = np.ones(len(parts), dtype=bool)
    new[1:] = (np.diff(group) > 0) | (parts["from_m"].to_numpy()[1:] > reach_m[:-1])
    merged = parts.groupby(np.cumsum(new)).agg(
        {"facility": "first", "segment": "first", "from_m": "first", "to_m": "max"}
    )
    return merged.reset_index(drop=True)
