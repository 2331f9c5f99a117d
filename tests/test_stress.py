"""The stress of streets and crossings: each rule by a street drawn by hand, and what must never make one worse."""

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString

from cfc_geo import catalog
from cfc_geo.network.stress import (
    CROSSING_TYPES,
    crossing_governed_by,
    crossing_kind,
    crossing_remedies,
    crossing_stress,
    evidence_summary,
    segment_stress,
)
from cfc_geo.network.traits import CERTAINTIES, lanes_of, speed_of, width_of
from cfc_geo.tables import STREET_COLUMNS

VOLUMES = catalog.stress_rules()["volumes"]
CLASSES = sorted({*catalog.stress_rules()["classes"], "primary_link", "", "busway"})
SPEEDS = ["", "20", "30", "40", "50", "60", "80", "120"]


def streets(*rows: dict[str, str]) -> gpd.GeoDataFrame:
    lines = [LineString([(0, row), (100, row)]) for row in range(len(rows))]
    frame = gpd.GeoDataFrame(dict.fromkeys(STREET_COLUMNS, ""), index=range(len(rows)), geometry=lines, crs="EPSG:4547")
    frame = frame.assign(street_id=[f"s{row}" for row in range(len(rows))], tunnel=False, bridge=False, steps=False)
    for row, tags in enumerate(rows):
        for key, value in tags.items():
            frame.loc[row, key] = value
    return frame


def street(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


@pytest.mark.parametrize(
    ("tags", "stress", "governed_by", "evidence"),
    [
        ("highway=footway", 1, "class", "tagged"),
        ("highway=pedestrian", 1, "class", "tagged"),
        ("highway=steps", 1, "class", "tagged"),
        ("highway=cycleway", 2, "class", "tagged"),
        ("highway=cycleway segregated=yes", 1, "class", "tagged"),
        ("highway=living_street", 1, "no_footway", "assumed"),
        ("highway=living_street maxspeed=20 sidewalk=no", 1, "no_footway", "inferred"),
        ("highway=residential", 2, "no_footway", "assumed"),
        ("highway=residential maxspeed=30 sidewalk=no", 2, "no_footway", "inferred"),
        ("highway=residential maxspeed=40 sidewalk=no", 4, "no_footway", "tagged"),
        ("highway=tertiary maxspeed=30 sidewalk=no", 3, "no_footway", "inferred"),
        ("highway=tertiary maxspeed=40", 4, "no_footway", "assumed"),
        ("highway=residential maxspeed=30 lanes=2 sidewalk=both sidewalk_width=2", 1, "speed", "inferred"),
        ("highway=residential maxspeed=30 lanes=2 sidewalk=both", 2, "width", "assumed"),
        ("highway=secondary maxspeed=50 lanes=4 sidewalk=both sidewalk_width=3", 2, "speed", "tagged"),
        ("highway=secondary lanes=4 sidewalk=both sidewalk_width=3", 2, "speed", "inferred"),
        ("highway=primary maxspeed=60 lanes=6 sidewalk=both sidewalk_width=3", 3, "speed", "tagged"),
        ("highway=primary maxspeed=80 lanes=6 sidewalk=both sidewalk_width=3", 4, "speed", "tagged"),
        ("highway=primary maxspeed=60 lanes=6 sidewalk=separate sidewalk_width=3", 2, "speed", "tagged"),
        ("highway=tertiary maxspeed=40 sidewalk=both sidewalk_width=1.2", 3, "width", "tagged"),
        ("highway=tertiary maxspeed=40 sidewalk=both sidewalk_width=2 parking=footway", 3, "parking", "tagged"),
        ("highway=living_street sidewalk=no parking=lane", 2, "parking", "tagged"),
        ("highway=tertiary maxspeed=30 sidewalk=left sidewalk_width=2", 2, "one_side", "tagged"),
        ("highway=trunk maxspeed=40 lanes=2 sidewalk=both sidewalk_width=2", 3, "volume", "inferred"),
        ("", 4, "no_footway", "assumed"),
        ("highway=road", 4, "no_footway", "assumed"),
    ],
)
def test_the_worst_element_governs(tags: str, stress: int, governed_by: str, evidence: str) -> None:
    row = segment_stress(streets(street(tags))).loc[0]
    assert (row["stress"], row["governed_by"], row["stress_evidence"]) == (stress, governed_by, evidence)


def test_an_underpass_is_never_without_stress() -> None:
    frame = streets(street("highway=footway")).assign(tunnel=True)
    assert segment_stress(frame)["stress"].tolist() == [2]


@pytest.mark.parametrize(
    ("tags", "remedies"),
    [
        ("highway=residential maxspeed=30", ""),
        ("highway=residential maxspeed=40 sidewalk=no", "30_kmh;footway"),
        ("highway=tertiary maxspeed=40 sidewalk=no", "footway"),
        ("highway=primary maxspeed=60 lanes=6 sidewalk=both sidewalk_width=3", "30_kmh"),
        ("highway=primary maxspeed=80 lanes=6 sidewalk=no", ""),
        ("highway=tertiary maxspeed=40 sidewalk=both sidewalk_width=1.2", "footway"),
    ],
)
def test_remedies_are_recomputed(tags: str, remedies: str) -> None:
    assert segment_stress(streets(street(tags)))["remedies"].tolist() == [remedies]


@st.composite
def tagged(draw) -> dict[str, str]:  # type: ignore[no-untyped-def]
    return {
        "highway": draw(st.sampled_from([*CLASSES, "footway", "cycleway", "steps"])),
        "maxspeed": draw(st.sampled_from(SPEEDS)),
        "lanes": draw(st.sampled_from(["", "1", "2", "3", "4", "6", "8"])),
        "sidewalk": draw(st.sampled_from(["", "no", "left", "right", "both", "separate"])),
        "sidewalk_width": draw(st.sampled_from(["", "1", "1.5", "1.8", "3"])),
        "parking": draw(st.sampled_from(["", "no", "lane", "footway"])),
        "oneway": draw(st.sampled_from(["", "yes"])),
    }


@given(tagged(), st.sampled_from([20, 30, 40, 50]))
def test_a_lower_limit_a_footway_fewer_lanes_and_room_never_make_a_street_worse(tags: dict[str, str], kmh: int) -> None:
    now = segment_stress(streets(tags)).loc[0]
    slower = {**tags, "maxspeed": str(int(min(np.nan_to_num(now["speed_kmh"], nan=kmh), kmh)))}
    then = segment_stress(
        streets(
            slower,
            {**tags, "sidewalk": "separate" if tags["sidewalk"] == "separate" else "both"},
            {**tags, "lanes": "1"},
            {**tags, "sidewalk_width": "3"},
            {**tags, "parking": "no"},
        )
    )
    columns = ["stress", "stress_left", "stress_right"]
    assert (then[columns] <= now[columns].astype(int)).all(axis=None)


@given(tagged())
def test_an_untagged_footway_is_never_better_than_any_footway_tag(tags: dict[str, str]) -> None:
    unsaid, *said = segment_stress(
        streets(*({**tags, "sidewalk": value} for value in ("", "no", "left", "both", "separate")))
    )["stress"]
    assert unsaid >= max(said)


@given(tagged())
def test_a_remedy_does_what_it_says(tags: dict[str, str]) -> None:
    now = segment_stress(streets(tags)).loc[0]
    done = {"30_kmh": {"maxspeed": "30"}, "footway": {"sidewalk": "both", "sidewalk_width": "1.8", "parking": "lane"}}
    for word in filter(None, now["remedies"].split(";")):
        change = done[word]
        if word == "footway" and tags["sidewalk"] == "separate":
            change = {**change, "sidewalk": "separate"}
        if word == "footway" and width_of(tags["sidewalk_width"]) > 1.8:
            change = {**change, "sidewalk_width": tags["sidewalk_width"]}
        assert segment_stress(streets({**tags, **change}))["stress"][0] <= 2 < now["stress"]


def test_a_way_without_cars_has_no_volume_of_them() -> None:
    table = segment_stress(streets(PATH, street("highway=steps"), street("highway=primary")))
    assert table["volume"].tolist() == ["", "", "high"]


def test_without_any_tag_everything_is_assumed() -> None:
    table = segment_stress(streets({}, {}))
    summary = evidence_summary(table, np.array([10.0, 30.0]))
    assert table["stress"].tolist() == [4, 4]
    assert summary["assumed"].drop("width").eq(1).all() and summary.loc["width", "length_m"] == 0


def test_the_summary_weighs_by_length_and_leaves_footways_out_of_what_cars_have() -> None:
    table = segment_stress(streets(street("highway=primary maxspeed=60"), street("highway=primary"), PATH))
    summary = evidence_summary(table, np.array([100.0, 300.0, 600.0]))
    assert summary.loc["speed", ["length_m", "tagged", "inferred", "assumed"]].tolist() == [400, 0.25, 0.75, 0]
    assert summary.loc["footway", "assumed"] == 1 and summary.loc["stress", "tagged"] == 0.6
    assert np.allclose(summary.loc[["stress", "speed"], list(CERTAINTIES)].sum(axis=1), 1)


PATH = {"highway": "footway"}


def test_inputs_stay_as_they_are() -> None:
    frame = streets(street("highway=primary"), PATH)
    before = frame.copy()
    table = segment_stress(frame)
    assert frame.equals(before) and table.index.equals(frame.index)


@pytest.mark.parametrize(
    ("text", "kmh"),
    [("50", 50), ("30 mph", 48.28032), ("50;60", 60), ("walk", 10), ("none", 130), ("", np.nan), ("CN:urban", np.nan),
     ("zone:30", 30), ("900", np.nan), ("0", np.nan)],
)  # fmt: skip
def test_speeds(text: str, kmh: float) -> None:
    assert speed_of(text) == pytest.approx(kmh, nan_ok=True)


def test_lanes_and_widths() -> None:
    assert [lanes_of(text) for text in ("2", "2;4", "1.5")] == [2, 4, 1.5]
    assert np.isnan([lanes_of("0"), lanes_of("many"), width_of("1'6\""), width_of("")]).all()
    assert width_of("1.8 m") == 1.8


def test_a_oneway_road_has_half_the_usual_lanes_but_all_that_are_tagged() -> None:
    table = segment_stress(streets(street("highway=primary oneway=yes"), street("highway=primary oneway=yes lanes=4")))
    assert table["lanes_count"].tolist() == [3, 4]


# ------------------------------------------------------------------------------------------------------------ crossings


def level(kind: str, lanes: float, kmh: float, volume: str, island: bool = False) -> int:
    return int(crossing_stress(*facts(kind, lanes, kmh, volume, island))[0])


def facts(kind: str, lanes: float, kmh: float, volume: str, island: bool) -> tuple[np.ndarray, ...]:
    return (
        np.array([kind], dtype=object),
        np.array([island]),
        np.array([kmh]),
        np.array([lanes]),
        np.array([VOLUMES.index(volume)]),
    )


@pytest.mark.parametrize(
    ("kind", "lanes", "kmh", "volume", "island", "stress"),
    [
        ("none", 2, 30, "low", False, 1),
        ("none", 2, 40, "medium", False, 2),
        ("none", 2, 50, "medium", False, 3),
        ("none", 4, 30, "low", False, 4),
        ("none", 2, 60, "high", False, 4),
        ("zebra", 2, 30, "medium", False, 1),
        ("zebra", 2, 50, "medium", False, 2),
        ("zebra", 3, 50, "medium", False, 3),
        ("zebra", 2, 30, "high", False, 3),
        ("zebra", 4, 50, "medium", False, 4),
        ("zebra", 4, 50, "medium", True, 3),
        ("zebra", 2, 50, "medium", True, 2),
        ("zebra", 2, 30, "low", True, 1),
        ("signal", 4, 50, "medium", False, 1),
        ("signal", 6, 60, "high", False, 2),
        ("signal", 8, 80, "very_high", False, 2),
        ("bridge", 8, 120, "very_high", False, 1),
        ("subway", 8, 120, "very_high", False, 1),
    ],
)
def test_crossings(kind: str, lanes: float, kmh: float, volume: str, island: bool, stress: int) -> None:
    assert level(kind, lanes, kmh, volume, island) == stress


@given(
    st.sampled_from(CROSSING_TYPES), st.integers(1, 10), st.integers(5, 130), st.sampled_from(range(5)), st.booleans()
)
def test_nothing_that_helps_makes_a_crossing_harder(kind: str, lanes: int, kmh: int, rank: int, island: bool) -> None:
    volume = VOLUMES[rank]
    now = level(kind, lanes, kmh, volume, island)
    assert level(kind, lanes, kmh / 2, volume, island) <= now
    assert level(kind, max(lanes - 1, 1), kmh, volume, island) <= now
    assert level(kind, lanes, kmh, VOLUMES[max(rank - 1, 0)], island) <= now
    assert level(kind, lanes, kmh, volume, True) <= now
    order = ("none", "zebra", "signal", "bridge")
    if kind in order:
        assert all(level(better, lanes, kmh, volume, island) <= now for better in order[order.index(kind) :])


def test_what_governs_a_crossing_and_what_mends_it() -> None:
    six_lanes = facts("zebra", 6, 60, "high", False)
    assert crossing_governed_by(*six_lanes).tolist() == ["lanes"] and crossing_remedies(*six_lanes).tolist() == [
        "signal"
    ]
    two_lanes = facts("zebra", 2, 60, "medium", False)
    assert crossing_governed_by(*two_lanes).tolist() == ["speed"]
    assert crossing_remedies(*two_lanes).tolist() == ["30_kmh;island;signal"]
    assert crossing_remedies(*facts("signal", 6, 60, "high", False)).tolist() == [""]


def test_how_crossings_are_tagged() -> None:
    texts = ["", "yes", "traffic_signals", "uncontrolled", "marked;island", "unmarked", "no", "teleporter"]
    kind, island, evidence = crossing_kind(np.array(texts, dtype=object))
    assert kind.tolist() == ["none", "none", "signal", "zebra", "zebra", "none", "none", "none"]
    assert island.tolist() == [False] * 4 + [True] + [False] * 3
    assert [CERTAINTIES[row] for row in evidence] == [
        "assumed", "assumed", "tagged", "tagged", "tagged", "tagged", "tagged", "assumed"
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- profiles


def test_profiles_say_where_their_numbers_come_from() -> None:
    profiles = catalog.profiles()
    assert list(profiles) == ["child_with_adult", "stroller", "alone_6_8", "alone_9_11", "alone_12_14"]
    for profile in profiles.values():
        sourced = [value for value in vars(profile).values() if isinstance(value, catalog.Sourced)]
        assert len(sourced) == 9 and all(value.source for value in sourced)
        assert {value.certainty for value in sourced} <= {"V", "V-", "B", "D", "A", "X"}
        assert set(profile.bands) <= set(catalog.bands()) and set(profile.waits_s.value) == set(CROSSING_TYPES)
        assert "downhill_cap" in profile.assumed()
        assert set(profile.refuses_unsignalised.value) <= set(catalog.stress_rules()["classes"])
    assert profiles["stroller"].steps_up.value == 0


def test_older_children_bear_more_and_walk_faster() -> None:
    alone = [catalog.profiles()[name] for name in ("alone_6_8", "alone_9_11", "alone_12_14")]
    for name in ("speed_ms", "most_segment_stress", "most_crossing_stress"):
        values = [getattr(profile, name).value for profile in alone]
        assert values == sorted(values)
