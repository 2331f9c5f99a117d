"""What plans share: results are, to the last bit, those of a run from scratch."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import Point

from cfc_geo.model import Attachment, NearestCosts
from cfc_geo.network.costs import attach_entrances, nearest_costs, with_site
from tests.random_towns import FAR_M, Place, random_places
from tests.towns import facility_tables, origin_table, street_table

quick = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
KINDS = ["park", "school"]


def without(place: Place, facility: str) -> Place:
    kept = place.facilities["facility_id"] != facility
    return place.with_(
        facilities=place.facilities[kept], entrances=place.entrances[place.entrances["facility_id"] != facility]
    )


def same_attachment(one: Attachment, other: Attachment) -> None:
    np.testing.assert_array_equal(one.facility_of_entrance, other.facility_of_entrance)
    for part in ("gates", "doors", "direct"):
        for left, right in zip(getattr(one, part), getattr(other, part), strict=True):
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype
    for part in ("origins", "entrances"):
        for name in ("segment", "at_m", "node", "snap_m", "limit_m"):
            np.testing.assert_array_equal(getattr(getattr(one, part), name), getattr(getattr(other, part), name))


def same_nearest(one: NearestCosts, other: NearestCosts) -> None:
    pd.testing.assert_frame_equal(one.metres, other.metres, check_exact=True)
    pd.testing.assert_frame_equal(one.facility, other.facility)
    assert list(one.facility_ids) == list(other.facility_ids)
    for kind, ids in one.facility_ids.items():
        np.testing.assert_array_equal(ids, other.facility_ids[kind])
    pd.testing.assert_series_equal(one.attached, other.attached)
    pd.testing.assert_series_equal(one.joined, other.joined)
    np.testing.assert_array_equal(one.joined_entrances, other.joined_entrances)
    assert (one.detached, one.horizon_m) == (other.detached, other.horizon_m)


@quick
@given(place=random_places(), data=st.data(), horizon_m=st.sampled_from([30.0, 200.0, FAR_M]))
def test_one_site_more_is_what_a_full_search_finds(place: Place, data: st.DataObject, horizon_m: float) -> None:
    """Wherever the site is, of whichever kind, with several entrances, on an island or on no street at all."""
    site = data.draw(st.sampled_from(list(place.facilities["facility_id"])))
    kind = place.facilities.set_index("facility_id")["kind"][site]
    before = without(place, site)
    network, attached = before.attached()
    nearest = nearest_costs(network, attached, before.facilities, kinds=KINDS, horizon_m=horizon_m)
    copy = nearest.metres.copy(deep=True), nearest.facility.copy(deep=True)
    found = with_site(nearest, network, attach_entrances(network, attached, place.entrances), site, kind)
    full = nearest_costs(*place.attached(), place.facilities, kinds=KINDS, horizon_m=horizon_m)
    same_nearest(found, full)
    pd.testing.assert_frame_equal(nearest.metres, copy[0])
    pd.testing.assert_frame_equal(nearest.facility, copy[1])


@quick
@given(place=random_places(), another=random_places(), data=st.data())
def test_other_entrances_attach_as_from_scratch(place: Place, another: Place, data: st.DataObject) -> None:
    """New, moved and closed entrances, in any order, several at one place."""
    network, attached = place.attached()
    pool = pd.concat([place.entrances, another.entrances, place.entrances], ignore_index=True)
    rows = data.draw(st.lists(st.integers(0, len(pool) - 1), max_size=12))
    entrances = pool.iloc[rows].reset_index(drop=True)
    found = attach_entrances(network, attached, entrances)
    same_attachment(found, place.with_(entrances=entrances).attached()[1])
    again = attach_entrances(network, found, place.entrances)
    same_attachment(again, attached)


def test_sites_one_after_another_and_a_site_that_is_there() -> None:
    place = Place(*_street(), *facility_tables({"b": Point(10, 0)}, kinds={"b": "park"}))
    network, attached = place.attached()
    nearest = nearest_costs(network, attached, place.facilities, kinds=KINDS, horizon_m=500)
    sites = {"b": Point(10, 0), "c": Point(10, 0), "a": Point(10, 0), "d": Point(80, 0)}
    facilities, entrances = facility_tables(sites, kinds=dict.fromkeys(sites, "park"))
    attached = attach_entrances(network, attached, entrances)
    for site in ("c", "a", "d"):
        nearest = with_site(nearest, network, attached, site, "park")
    full = nearest_costs(network, attached, facilities, kinds=KINDS, horizon_m=500)
    same_nearest(nearest, full)
    assert nearest.facility_ids["park"][nearest.facility["park"]].tolist() == ["a", "d"]
    with pytest.raises(ValueError, match="there already"):
        with_site(nearest, network, attached, "b", "school")


def _street() -> tuple:  # type: ignore[type-arg]
    return (*street_table([[(0, 0), (100, 0)]]), origin_table({"west": Point(0, 0), "east": Point(90, 0)}))
