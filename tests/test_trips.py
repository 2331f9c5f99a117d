"""Who walks where: by nearness, with room, by pull."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point

from cfc_geo.model import Study
from cfc_geo.questions.trips import KindTrips, trips_to
from tests.towns import CRS, facility_tables, origin_table


def place(children: list[float], capacity: list[float], kind: str = "primary_school", **more: Any) -> Study:
    origins = origin_table({f"o{row}": Point(row, 0) for row in range(len(children))})
    origins["children_6_11"] = children
    facilities, entrances = facility_tables(
        {f"f{row}": Point(row, 1) for row in range(len(capacity))},
        kinds={f"f{row}": kind for row in range(len(capacity))},
    )
    facilities["capacity"] = capacity
    none = pd.DataFrame()
    return Study("", CRS, none, origins, facilities, entrances, none, none, none, frozenset(), **more)


def pairs_of(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["origin", "facility", "metres"])


def by_pair(found: KindTrips) -> dict[tuple[int, int], float]:
    return dict(zip(zip(found.origin.tolist(), found.facility.tolist(), strict=True), found.children, strict=True))


def test_children_go_to_the_nearest_of_equals_the_first_by_id() -> None:
    study = place([4.0, 8.0, 2.0], [90.0, 90.0])
    pairs = pairs_of([(0, 1, 100.0), (0, 0, 100.0), (1, 1, 50.0), (1, 0, 60.0)])
    found = trips_to("primary_school", study, pairs, assign="nearest", weights=np.ones(4))
    assert by_pair(found) == {(0, 0): 4.0, (1, 1): 8.0}
    assert (found.wanting, found.beyond) == (14.0, 2.0)


def test_participation_and_unknown_bands_count() -> None:
    study = place([4.0], [90.0], unknown_bands=frozenset({"6-11"}))
    found = trips_to("primary_school", study, pairs_of([(0, 0, 1.0)]), assign="nearest", weights=np.ones(1))
    assert found.wanting == 0.0 and len(found.origin) == 0
    half = trips_to(
        "primary_school", place([4.0], [9.0]), pairs_of([(0, 0, 1.0)]), assign="nearest", participation=0.5,
        weights=np.ones(1),
    )  # fmt: skip
    assert half.children.tolist() == [2.0]


def test_with_room_the_nearer_come_first_and_who_finds_none_is_counted() -> None:
    study = place([4.0, 8.0], [6.0, np.nan])
    pairs = pairs_of([(0, 0, 20.0), (1, 0, 10.0), (0, 1, 500.0)])
    found = trips_to("primary_school", study, pairs, assign="room", weights=np.ones(3))
    assert by_pair(found) == {(1, 0): 6.0, (0, 1): 4.0}
    assert (found.no_room, found.too_far, found.beyond, found.capacity_assumed) == (2.0, 0.0, 2.0, 1)


def test_pull_is_places_times_nearness_and_unknown_places_are_the_mean() -> None:
    study = place([12.0], [300.0, 100.0, np.nan])
    pairs = pairs_of([(0, 0, 1.0), (0, 1, 1.0), (0, 2, 1.0)])
    found = trips_to("primary_school", study, pairs, assign="gravity", weights=np.array([0.5, 0.5, 1.0]))
    assert by_pair(found) == pytest.approx({(0, 0): 12 * 150 / 400, (0, 1): 12 * 50 / 400, (0, 2): 12 * 200 / 400})
    assert found.capacity_assumed == 1


def test_parks_are_visited_by_nearness_whatever_is_assigned() -> None:
    study = place([12.0], [np.nan, np.nan], kind="playground")
    study.origins[["children_0_2", "children_3_5"]] = 0.0
    pairs = pairs_of([(0, 0, 1.0), (0, 1, 2.0)])
    found = trips_to("playground", study, pairs, assign="room", weights=np.array([0.75, 0.25]))
    assert by_pair(found) == {(0, 0): 9.0, (0, 1): 3.0} and found.capacity_assumed == 0


def test_who_has_no_park_near_by_goes_to_the_nearest() -> None:
    study = place([12.0, 6.0], [np.nan, np.nan], kind="playground")
    study.origins[["children_0_2", "children_3_5"]] = 0.0
    pairs = pairs_of([(0, 0, 1.0), (0, 1, 2.0), (1, 1, 900.0), (1, 0, 800.0)])
    found = trips_to("playground", study, pairs, assign="nearest", weights=np.array([0.75, 0.25, 0.0, 0.0]))
    assert by_pair(found) == {(0, 0): 9.0, (0, 1): 3.0, (1, 0): 6.0}


WALKS = st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 3)), st.integers(1, 9).map(float), min_size=1)


@given(
    WALKS,
    st.lists(st.integers(0, 9).map(float), min_size=5, max_size=5),
    st.lists(st.one_of(st.just(np.nan), st.integers(0, 9).map(float)), min_size=4, max_size=4),
    st.sampled_from(["nearest", "room", "gravity"]),
)
def test_nobody_is_lost_and_no_two_would_rather_swap(walks, children, capacity, assign) -> None:  # type: ignore[no-untyped-def]
    study = place(children, capacity)
    pairs = pairs_of([(*pair, metres) for pair, metres in walks.items()])
    found = trips_to("primary_school", study, pairs, assign=assign, weights=1 / pairs["metres"].to_numpy())
    assert found.children.sum() + found.beyond == pytest.approx(sum(children))
    assert (np.diff(found.facility) >= 0).all()
    went = by_pair(found)
    if assign != "room":
        return
    full = np.where(np.isnan(capacity), np.inf, capacity)
    for (origin, facility), metres in walks.items():
        wants = sum(count for (o, f), count in went.items() if o == origin and walks[o, f] <= metres)
        holds = sum(count for (o, f), count in went.items() if f == facility and walks[o, f] <= metres)
        assert wants == pytest.approx(children[origin]) or holds == pytest.approx(full[facility])


def test_why_children_do_not_walk_is_told_apart() -> None:
    """Of five homes one walks, and the others: on no street (though in no district either), in no district, too far."""
    study = place([1.0, 2.0, 4.0, 8.0, 16.0], [np.nan])
    districts = pd.DataFrame({"origin": [0, 3, 4], "facility": 0})
    on_street = np.array([True, False, True, True, False])
    found = trips_to(
        "primary_school", study, pairs_of([(0, 0, 1.0)]), assign="nearest", weights=np.ones(1), districts=districts,
        on_street=on_street,
    )  # fmt: skip
    assert (found.off_street, found.no_district, found.no_room, found.too_far) == (18.0, 4.0, 0.0, 8.0)
    assert found.beyond == 30.0
    nearest = trips_to("primary_school", study, pairs_of([(0, 0, 1.0)]), assign="nearest", weights=np.ones(1))
    assert (nearest.off_street, nearest.no_district, nearest.too_far) == (0.0, 0.0, 30.0)
