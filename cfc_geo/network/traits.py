"""Streets → what the rules of stress ask of them, every value with its evidence."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.inputs.walkable import WITHOUT_CARS

TAGGED, INFERRED, ASSUMED = 0, 1, 2
CERTAINTIES: Final = ("tagged", "inferred", "assumed")
"""How a value is known, the best first: a tag says so, it is usual for the class of road, or nothing says so."""
MPH_KMH: Final = 1.609344
WALKING_KMH: Final = 10.0
UNLIMITED_KMH: Final = 130.0


@dataclass(frozen=True, eq=False)
class Traits:
    """One row a street. `*_from`: TAGGED, INFERRED or ASSUMED.

    `volume` is a rank in `volumes` of `stress.toml`; `left` and `right` say on which sides there is a footway, `apart`
    whether it is mapped as a way of its own; `width_m` is the narrower footway's; `parking` is "footway", "lane" or "".
    Streets without `cars` have NaN speed and lanes.
    """

    highway: np.ndarray
    cars: np.ndarray
    tunnel: np.ndarray
    segregated: np.ndarray
    speed_kmh: np.ndarray
    speed_from: np.ndarray
    lanes: np.ndarray
    lanes_from: np.ndarray
    volume: np.ndarray
    volume_from: np.ndarray
    left: np.ndarray
    right: np.ndarray
    apart: np.ndarray
    footway_from: np.ndarray
    width_m: np.ndarray
    width_from: np.ndarray
    parking: np.ndarray


def traits_of(streets: gpd.GeoDataFrame) -> Traits:
    """What tags say of every street; where they do not, what is usual for its class, else the worst.

    A footway that no tag names is taken as absent. A class that is not in `stress.toml` is taken as `road`, unknown.
    """
    rules = catalog.stress_rules()
    highway = _texts(streets, "highway")
    cars = ~np.isin(highway, list(WITHOUT_CARS))
    of, classes = pd.factorize(highway)
    usual = [_usual(name) for name in classes]
    known = np.array([row[0] for row in usual], dtype=bool)[of]
    by_class = np.where(known, INFERRED, ASSUMED)
    speed, speed_from = _or_usual(_texts(streets, "maxspeed"), speed_of, [row[1]["speed_kmh"] for row in usual], of)
    lanes, lanes_from = _or_usual(_texts(streets, "lanes"), lanes_of, [row[1]["lanes"] for row in usual], of)
    untagged_half = (lanes_from == INFERRED) & (_texts(streets, "oneway") != "")
    sidewalk = _texts(streets, "sidewalk")
    width = _numbers(_texts(streets, "sidewalk_width"), width_of)
    return Traits(
        highway=highway,
        cars=cars,
        tunnel=streets["tunnel"].eq(True).to_numpy(),
        segregated=_texts(streets, "segregated") == "yes",
        speed_kmh=np.where(cars, speed, np.nan),
        speed_from=np.where(speed_from == TAGGED, TAGGED, by_class),
        lanes=np.where(cars, np.where(untagged_half, np.ceil(lanes / 2), lanes), np.nan),
        lanes_from=np.where(lanes_from == TAGGED, TAGGED, by_class),
        volume=np.array([rules["volumes"].index(row[1]["volume"]) for row in usual], dtype=int)[of],
        volume_from=by_class,
        left=np.isin(sidewalk, ("both", "yes", "separate", "left")),
        right=np.isin(sidewalk, ("both", "yes", "separate", "right")),
        apart=sidewalk == "separate",
        footway_from=np.where(
            np.isin(sidewalk, ("both", "yes", "separate", "left", "right", "no", "none")), 0, ASSUMED
        ),
        width_m=np.where(np.isnan(width), rules["segment"]["assumed_width_m"], width),
        width_from=np.where(np.isnan(width), ASSUMED, TAGGED),
        parking=_texts(streets, "parking"),
    )


def speed_of(text: str) -> float:
    """km/h of a tag maxspeed: the highest number in it (mph understood), walk, none; NaN if it says no number."""
    text = text.lower()
    if "walk" in text:
        return WALKING_KMH
    if text == "none":
        return UNLIMITED_KMH
    found = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]
    speed = max(found, default=np.nan) * (MPH_KMH if "mph" in text else 1.0)
    return speed if 0 < speed <= UNLIMITED_KMH else np.nan


def lanes_of(text: str) -> float:
    """The highest number in a tag lanes; NaN if it says none from 1 to 20."""
    found = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]
    lanes = max(found, default=np.nan)
    return lanes if 1 <= lanes <= 20 else np.nan


def width_of(text: str) -> float:
    """Metres of a tag width ("1.8", "1.8 m"); NaN for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*m?", text)
    return float(found[1]) if found else np.nan


def _usual(highway: str) -> tuple[bool, dict[str, Any]]:
    """Whether the class is known, and what is usual for it; a link is what it links, on 2 lanes at most."""
    classes = catalog.stress_rules()["classes"]
    parent = highway.removesuffix("_link")
    if parent not in classes or parent == "road":
        return False, classes["road"]
    return True, {**classes[parent], "lanes": 2} if parent != highway else classes[parent]


def _or_usual(
    texts: np.ndarray, read: Callable[[str], float], usual: list[float], of: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    said = _numbers(texts, read)
    return np.where(np.isnan(said), np.array(usual, dtype=float)[of], said), np.where(np.isnan(said), INFERRED, TAGGED)


def _numbers(texts: np.ndarray, read: Callable[[str], float]) -> np.ndarray:
    codes, unique = pd.factorize(texts)
    return np.array([read(text) for text in unique], dtype=float)[codes] if len(unique) else np.zeros(0)


def _texts(streets: gpd.GeoDataFrame, column: str) -> np.ndarray:
    values: np.ndarray = streets[column].fillna("").astype(str).to_numpy(dtype=object)
    return values
