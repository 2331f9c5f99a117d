"""Who walks where: the children of a kind's bands, from their homes to its facilities.

To the nearest facility (Ministry of Education 就近入学 is how places are given out, districts aside); to the one whose
district a home lies in; to the nearest with room, the nearest pairs first; or split by size and nearness (Huff 1964,
*J. Marketing* 28(3)). Kinds without places are visited in proportion to nearness, and by those who have none near by
at the nearest.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Study
from cfc_geo.tables import children_column

Assign = Literal["nearest", "room", "gravity"]
LEAST: Final = 1e-9


@dataclass(frozen=True, eq=False)
class KindTrips:
    """The trips to one kind, sorted by facility: positions of origins and of the study's facilities, children, metres.

    `wanting`: all children of the bands; `beyond`: those who have no trip, trips + beyond = wanting. Why, each counted
    once: `off_street`, whose home is attached to no street, so that nobody knows; else `no_district`, whose home lies
    in none; else `no_room`, who find all places taken; else `too_far`. `capacity_assumed`: facilities of unknown
    capacity.
    """

    kind: str
    origin: np.ndarray
    facility: np.ndarray
    children: np.ndarray
    metres: np.ndarray
    wanting: float
    beyond: float
    off_street: float
    no_district: float
    no_room: float
    too_far: float
    capacity_assumed: int


def trips_to(
    kind: str, study: Study, pairs: pd.DataFrame, *, assign: Assign, participation: float = 1.0,
    weights: np.ndarray, districts: pd.DataFrame | None = None, on_street: np.ndarray | None = None,
) -> KindTrips:  # fmt: skip
    """Trips of the children of all known bands of `kind`, times `participation`.

    `pairs` (origin, facility: positions; metres) are all walks short enough; `weights` says how much each counts by
    nearness, for gravity and for kinds without places. Where there are `districts` (origin, facility: positions),
    children go to the nearest of their own district's facilities, whatever `assign` says, and else nowhere.
    `on_street`: which origins are attached to the streets; None: all.
    """
    bands = [children_column(band) for band in catalog.kinds()[kind].bands if band not in study.unknown_bands]
    wanting = study.origins[bands].sum(axis=1).to_numpy(dtype=float) * participation
    ids = study.facilities["facility_id"].to_numpy(dtype=object)
    rank = np.argsort(np.argsort(ids.astype(str), kind="stable"), kind="stable")
    pairs = pairs.assign(weight=weights, rank=rank[pairs["facility"]])
    pairs = pairs.sort_values(["metres", "origin", "rank"], kind="stable")
    pairs = pairs[wanting[pairs["origin"]] > 0]
    capacity = study.facilities["capacity"].to_numpy(dtype=float)
    has_places = catalog.kinds()[kind].has_places
    unknown = int(np.isnan(capacity[pairs["facility"].unique()]).sum())
    assumed = 0
    if districts is not None:
        mine = pairs.merge(districts, on=["origin", "facility"]).drop_duplicates("origin")
        found = mine.assign(children=wanting[mine["origin"]])
    elif not has_places or assign == "gravity":
        size = _sizes(capacity, pairs["facility"].to_numpy()) if has_places else np.ones(len(ids))
        assumed = unknown if has_places else 0
        found = _split(pairs, wanting, size)
    elif assign == "room":
        found = _with_room(pairs, wanting, np.where(np.isnan(capacity), np.inf, capacity))
        assumed = unknown
    else:
        mine = pairs.drop_duplicates("origin")
        found = mine.assign(children=wanting[mine["origin"]])
    found = found[found["children"] > LEAST].sort_values(["facility", "origin"], kind="stable")
    total = float(wanting.sum())
    left = np.maximum(wanting - np.bincount(found["origin"], weights=found["children"], minlength=len(wanting)), 0.0)
    off_street = ~on_street if on_street is not None else np.zeros(len(wanting), dtype=bool)
    no_district, no_room = np.zeros((2, len(wanting)), dtype=bool)
    if districts is not None:
        no_district[:] = ~off_street & ~np.isin(np.arange(len(wanting)), districts["origin"])
    elif has_places and assign == "room":
        no_room[pairs["origin"]] = True
    return KindTrips(
        kind=kind,
        origin=found["origin"].to_numpy(dtype=np.int64),
        facility=found["facility"].to_numpy(dtype=np.int64),
        children=found["children"].to_numpy(dtype=float),
        metres=found["metres"].to_numpy(dtype=float),
        wanting=total,
        beyond=max(total - float(found["children"].sum()), 0.0),
        off_street=float(left[off_street].sum()),
        no_district=float(left[no_district].sum()),
        no_room=float(left[no_room].sum()),
        too_far=float(left[~(off_street | no_district | no_room)].sum()),
        capacity_assumed=assumed,
    )


def _sizes(capacity: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Places of each facility; unknown ones count as the mean of the known, or all alike."""
    known = capacity[np.unique(used)]
    known = known[~np.isnan(known)]
    return np.where(np.isnan(capacity), known.mean() if len(known) else 1.0, capacity)


def _split(pairs: pd.DataFrame, wanting: np.ndarray, size: np.ndarray) -> pd.DataFrame:
    """Every child's share of each facility: size × weight over the sum of these (Huff 1964); all of it at the nearest,
    where none of them counts anything. `pairs` are sorted by metres."""
    pull = pairs["weight"].to_numpy() * size[pairs["facility"]]
    total = np.bincount(pairs["origin"], weights=pull, minlength=len(wanting))[pairs["origin"]]
    nearest = ~pairs.duplicated("origin").to_numpy()
    share = np.divide(pull, total, out=nearest.astype(float), where=total > 0)
    return pairs.assign(children=share * wanting[pairs["origin"]])


def _with_room(pairs: pd.DataFrame, wanting: np.ndarray, room: np.ndarray) -> pd.DataFrame:
    """The nearest pairs first, as long as both sides have children and places left: nobody could swap to be nearer
    (Gale & Shapley 1962, both sides preferring the nearer)."""
    left, room = wanting.copy(), room.copy()
    taken = np.zeros(len(pairs))
    for row, (origin, facility) in enumerate(zip(pairs["origin"].tolist(), pairs["facility"].tolist(), strict=True)):
        count = min(left[origin], room[facility])
        if count > 0:
            taken[row] = count
            left[origin] -= count
            room[facility] -= count
    return pairs.assign(children=taken)
