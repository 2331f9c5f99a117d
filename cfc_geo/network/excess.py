"""How many levels harder streets and crossings are than a profile bears: 0 is borne. Routes and flows both ask here."""

from typing import Final

import geopandas as gpd
import numpy as np

from cfc_geo.catalog import Profile
from cfc_geo.network.sided import SidedGraph

IMPASSABLE: Final = 100
"""The excess of what a profile cannot walk at all: steps, for a stroller."""


def street_excess(stress: np.ndarray, steps: np.ndarray, tunnel: np.ndarray, profile: Profile) -> np.ndarray:
    """Levels of streets (or street × any) above what `profile` bears; at least 1 in a tunnel that it refuses, and
    `IMPASSABLE` on steps that it cannot walk."""
    excess: np.ndarray = _above(stress, profile.most_segment_stress.value)
    if profile.refuses_tunnels.value:
        excess[tunnel] = np.maximum(excess[tunnel], 1)
    if not (profile.steps_up.value and profile.steps_down.value):
        excess[steps] = IMPASSABLE
    return excess


def crossing_excess(stress: np.ndarray, kind: np.ndarray, highway: np.ndarray, profile: Profile) -> np.ndarray:
    """Levels above what `profile` bears of crossings; at least 1 without signals over a class of road it refuses."""
    excess = _above(stress, profile.most_crossing_stress.value)
    classes = [name + link for name in profile.refuses_unsignalised.value for link in ("", "_link")]
    refused = np.isin(highway, classes) & ~np.isin(kind, ("signal", "bridge", "subway"))
    excess[refused] = np.maximum(excess[refused], 1)
    return excess


def excess_by_arc(graph: SidedGraph, streets: gpd.GeoDataFrame, profile: Profile) -> np.ndarray:
    """That of every arc of `graph`, which was made from `streets`."""
    walked, table = graph.street >= 0, graph.crossings
    tunnel = streets["tunnel"].eq(True).to_numpy()[graph.street] & walked
    excess = street_excess(graph.stress, graph.steps, tunnel, profile)
    kind, highway = table["crossing_type"].to_numpy(dtype=object), table["highway"].to_numpy(dtype=object)
    of_crossing = crossing_excess(table["stress"].to_numpy(), kind, highway, profile)
    excess[~walked] = of_crossing[graph.crossing[~walked]]
    return excess


def _above(stress: np.ndarray, most: int) -> np.ndarray:
    return np.maximum(np.asarray(stress, dtype=np.int64) - most, 0).astype(np.int8)
