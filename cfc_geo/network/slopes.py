"""Heights along streets → climbs, and the seconds of a walk by profile.

The slope is Tobler's (1993, TR 93-1) as a factor on the speed on the flat, f(S) = exp(-3.5 |S + 0.05|) / exp(-0.175),
capped for children who gain nothing from a descent.
"""

from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.catalog import Profile
from cfc_geo.inputs.terrain import height_at
from cfc_geo.model import Terrain

SETTLED_M: Final = 0.001
MOST_ROUNDS: Final = 10_000


@dataclass(frozen=True, eq=False)
class Relief:
    """Heights at places equally far apart along every street, both ends included: those of street `r` are
    `height_m[start[r]:start[r + 1]]`, NaN unknown. `piece_m`: the stated length between two of them, by street."""

    start: np.ndarray
    height_m: np.ndarray
    piece_m: np.ndarray


def relief(terrain: Terrain, streets: gpd.GeoDataFrame) -> Relief:
    """Heights along streets about every `terrain.spacing_m`. Bridges and tunnels run straight from end to end; where
    several follow one another, between the ends that lie on the ground."""
    lines = streets.geometry.to_numpy()
    pieces = np.maximum(np.ceil(shapely.length(lines) / terrain.spacing_m), 1).astype(int)
    start = np.concatenate(([0], np.cumsum(pieces + 1)))
    street = np.repeat(np.arange(len(lines)), pieces + 1)
    share = (np.arange(start[-1]) - start[street]) / pieces[street]
    places = shapely.get_coordinates(shapely.line_interpolate_point(lines[street], share, normalized=True))
    height = height_at(terrain, places)
    above = streets["bridge"].eq(True).to_numpy() | streets["tunnel"].eq(True).to_numpy()
    ends = _abutments(streets, above, np.column_stack((height[start[:-1]], height[start[1:] - 1])))
    straight = ends[street, 0] * (1 - share) + ends[street, 1] * share
    height = np.where(above[street], straight, height)
    return Relief(start, height, streets["length_m"].to_numpy(dtype=float) / pieces)


def climbs(of: Relief) -> np.ndarray:
    """street × (up, down), metres as drawn, both ≥ 0; NaN where a height along the street is unknown."""
    rise, first = _rises(of)
    return np.column_stack([np.add.reduceat(np.maximum(part, 0), first) for part in (rise, -rise)])


def slope_factor(slope: np.ndarray, cap: float) -> np.ndarray:
    """Tobler's speed as a share of that on the flat, at most `cap`. `slope` is rise over run, uphill positive."""
    factor: np.ndarray = np.minimum(np.exp(-3.5 * np.abs(slope + 0.05)) / np.exp(-3.5 * 0.05), cap)
    return factor


def walk_seconds(streets: gpd.GeoDataFrame, of: Relief | None, profile: Profile) -> np.ndarray:
    """street × (as drawn, against it): seconds of walking, without waits; inf where the profile cannot walk (steps).

    Where no height is known streets are taken as flat. On steps the profile's factors up and down replace the slope;
    which way is up says `incline`, else the heights, else both ways take the mean of up and down.
    """
    speed, cap = profile.speed_ms.value, profile.downhill_cap.value
    length_m = streets["length_m"].to_numpy(dtype=float)
    seconds: np.ndarray = np.column_stack((length_m, length_m)) / speed
    if of is not None:
        rise, first = _rises(of)
        run = np.repeat(of.piece_m, np.diff(of.start) - 1)
        slope = np.nan_to_num(np.divide(rise, run, out=np.zeros_like(rise), where=run > 0))
        ways = [np.add.reduceat(run / (speed * slope_factor(sign * slope, cap)), first) for sign in (1, -1)]
        seconds = np.column_stack(ways)
    steps = streets["steps"].eq(True).to_numpy()
    seconds[steps] = _on_steps(streets[steps], None if of is None else climbs(of)[steps], profile) * (
        length_m[steps, None] / speed
    )
    return seconds


def crossing_waits_s(kind: np.ndarray, profile: Profile) -> np.ndarray:
    """Seconds a walker waits at crossings, by type."""
    waits = profile.waits_s.value
    codes, unique = pd.factorize(kind)
    return np.array([waits[name] for name in unique], dtype=float)[codes] if len(unique) else np.zeros(0)


def _rises(of: Relief) -> tuple[np.ndarray, np.ndarray]:
    """Metres risen on every piece of every street, and each street's first piece."""
    rise = np.diff(of.height_m)
    inner = np.ones(len(rise), dtype=bool)
    inner[of.start[1:-1] - 1] = False
    return rise[inner], of.start[:-1] - np.arange(len(of.start) - 1)


def _on_steps(steps: gpd.GeoDataFrame, climbed: np.ndarray | None, profile: Profile) -> np.ndarray:
    """steps × (as drawn, against): how many times as long as on the flat."""
    with np.errstate(divide="ignore"):
        up, down = (1 / np.float64(factor.value) for factor in (profile.steps_up, profile.steps_down))
    words = steps["incline"].fillna("").astype(str).str.strip().to_numpy(dtype=object)
    rising = np.array([_rising(word) for word in words], dtype=float)
    if climbed is not None:
        net = np.nan_to_num(climbed[:, 0] - climbed[:, 1])
        rising = np.where(rising == 0, np.sign(net), rising)
    ahead = np.select([rising > 0, rising < 0], [up, down], (up + down) / 2)
    back = np.select([rising > 0, rising < 0], [down, up], (up + down) / 2)
    return np.column_stack((ahead, back))


def _rising(incline: str) -> int:
    """1 for up, -1 for down, 0 for unsaid."""
    if incline in ("up", "down"):
        return 1 if incline == "up" else -1
    number = pd.to_numeric(incline.rstrip("%°"), errors="coerce")
    return 0 if pd.isna(number) else int(np.sign(number))


def _abutments(streets: gpd.GeoDataFrame, above: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Heights of both ends of every street; junctions of bridges and tunnels alone lie between their neighbours, nearer
    ones weighing more, so that a chain of them is one straight line."""
    codes, _ = pd.factorize(streets[["from_node", "to_node"]].to_numpy().ravel())
    node = codes.reshape(-1, 2)
    height = np.full(node.max() + 1, np.nan)
    height[node[:, 0]], height[node[:, 1]] = ends[:, 0], ends[:, 1]
    grounded = np.zeros(len(height), dtype=bool)
    grounded[node[~above].ravel()] = True
    degree = np.bincount(node[above].ravel(), minlength=len(height))
    afloat = ~grounded & (degree > 1)
    weight = 1 / np.maximum(streets["length_m"].to_numpy(dtype=float)[above], SETTLED_M)
    pairs = np.concatenate((node[above], node[above][:, ::-1]))
    weights = np.tile(weight, 2)
    total = np.bincount(pairs[:, 0], weights=weights, minlength=len(height))
    for _ in range(MOST_ROUNDS if afloat.any() else 0):
        drawn = np.bincount(pairs[:, 0], weights=weights * height[pairs[:, 1]], minlength=len(height))
        settled = np.where(afloat, drawn / np.maximum(total, 1e-12), height)
        moved = np.nanmax(np.abs(settled - height), initial=0.0)
        height = settled
        if moved < SETTLED_M:
            break
    return np.asarray(height[node])
