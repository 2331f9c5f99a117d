"""Places to mend: one junction is one place, whichever arm of the street children cross."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
from shapely import box

from cfc_geo import catalog
from cfc_geo.questions.exposure import Places, Walked, measure_gains, rank_places
from tests.test_flows import PATH, WALKED, drawn, walked
from tests.towns import CRS

WEST, EAST, NORTH, SOUTH = (-100.0, 0.0), (100.0, 0.0), (0.0, 100.0), (0.0, -100.0)
BROAD = {**WALKED, "lanes": "6"}


def places(*ways: tuple[tuple[float, float], str, dict[str, str]]) -> Places:
    """12 children 100 m north of a junction at (0, 0), their school as far south of it, and streets to it from (end,
    name, tags)."""
    drawn_ways = [([end, (0.0, 0.0)], tags) for end, _, tags in ways]
    made = drawn(*drawn_ways, homes={"h": NORTH}, doors={"s": SOUTH}, children=[12.0])
    names = made.study.streets.assign(name=[name for _, name, _ in ways])
    unit = gpd.GeoDataFrame({"unit_id": ["u"], "parent_id": [""]}, geometry=[box(-200, -200, 200, 200)], crs=CRS)
    excess, flows = walked(made, "alone_9_11")
    study = replace(made.study, streets=names, units=unit)
    one = Walked("primary_school", catalog.profiles()["alone_9_11"], made.trips, excess, flows)
    return rank_places([one], made.ways, study, detour=1.25)


def crossings(found: Places) -> gpd.GeoDataFrame:
    return found.ranked[found.ranked["element"] == "crossing"]


@pytest.mark.parametrize("name", ["人民路", ""])
def test_both_arms_of_a_street_are_one_crossing_with_all_who_cross(name: str) -> None:
    found = places((WEST, name, BROAD), (EAST, name, BROAD), (NORTH, "", PATH), (SOUTH, "", PATH))
    row = crossings(found).iloc[0]
    assert len(crossings(found)) == 1 and row["street_id"] == "s0 s1" and row["children"] == 12
    assert row["exposure"] == 12 * (row["stress"] - 2) > 0 and row["rank"] == 1
    assert len(found.elements[0]) == 2, "both arms are mended"
    assert row["remedies"] == "signal"
    gains = measure_gains(found, 1).ranked["children_gaining"].to_numpy()
    assert gains[0] == 12 and np.isnan(gains[1:]).all()


def test_other_streets_of_a_junction_are_other_places() -> None:
    two = places((WEST, "人民路", BROAD), (EAST, "解放路", BROAD), (NORTH, "", PATH), (SOUTH, "", PATH))
    assert sorted(crossings(two)["name"]) == ["人民路", "解放路"] and crossings(two)["children"].tolist() == [6, 6]


def test_three_arms_of_one_street_stay_apart_for_one_child_may_cross_two() -> None:
    oblique = (100.0, 30.0)
    found = places(
        (WEST, "环路", BROAD), (EAST, "环路", BROAD), (oblique, "环路", BROAD), (NORTH, "", PATH), (SOUTH, "", PATH)
    )
    assert crossings(found)["street_id"].is_unique and (crossings(found)["children"] <= 12).all()
    assert not crossings(found)["street_id"].str.contains(" ").any()
