"""What rivers and railways cost, and the links that would save most: against a run of the scenario they write."""

import itertools
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from shapely import LineString, Point, box

from cfc_geo import catalog
from cfc_geo.errors import OutputError
from cfc_geo.inputs.study import horizon_m
from cfc_geo.model import Attachment, NearestCosts, Network, Study
from cfc_geo.network.costs import at_nodes, attach, nearest_costs, walks_to_nodes
from cfc_geo.network.graph import build_network
from cfc_geo.outputs.link_scenario import write_link_scenarios
from cfc_geo.plan import Plan, load_plan
from cfc_geo.questions.severance import LINK_COLUMNS, LINK_GAIN_COLUMNS, children_for, find_links, measure_detours
from cfc_geo.run import Clock, answer_plan
from cfc_geo.tables import ALL_UNITS, DETOUR_COLUMNS
from tests.edited import study_of
from tests.random_towns import Place, random_places
from tests.towns import CRS, facility_tables, origin_table, street_table

ROOT = Path(__file__).parents[1]
NORMS = catalog.norms("gb50180")
KIND = "playground"


def town(*, gap: bool = True, theme: str = "water", width: float = 60.0, door: float = 1000.0) -> Study:
    """Two banks, 100 m apart, each a street of 1,000 m with a junction every 100 m, and a bridge at the west end only.
    The playground lies at the east end of the north bank (at `door`), the home at the east end of the south bank."""
    xs = [100.0 * at for at in range(11)]
    lines = [[(west, y), (east, y)] for y in (0.0, 100.0) for west, east in itertools.pairwise(xs)]
    lines.append([(0.0, 0.0), (0.0, 100.0)])
    streets, nodes = street_table(lines if gap else [*lines, [(1000.0, 0.0), (1000.0, 100.0)]])
    streets = streets.assign(bridge=False, tunnel=False, steps=False, highway="footway")
    facilities, entrances = facility_tables({"a": [Point(door, 100)]}, kinds={"a": KIND})
    place = Place(streets, nodes, origin_table({"o": Point(1000, 0), "w": Point(0, 0)}), facilities, entrances)
    river = gpd.GeoDataFrame(
        {"theme": [theme], "name": ["江"]}, geometry=[box(-50, 50 - width / 2, 1100, 50 + width / 2)], crs=CRS
    )
    return study_of(place, river)


def walked(study: Study, horizon: float = 5000.0) -> tuple[Network, Attachment, NearestCosts]:
    network = build_network(study.streets, study.nodes)
    attached = attach(network, study.origins, study.entrances, limit_m=100)
    kinds = list(dict.fromkeys(study.facilities["kind"]))
    return network, attached, nearest_costs(network, attached, study.facilities, kinds=kinds, horizon_m=horizon)


def links_of(study: Study, **asked: float):  # type: ignore[no-untyped-def]
    network, attached, nearest = walked(study, asked.pop("horizon", 5000.0))
    return find_links(study, network, attached, nearest, NORMS, kinds=list(nearest.metres.columns), **asked)  # type: ignore[arg-type]


def test_the_detour_index_is_what_is_walked_over_the_crow() -> None:
    study = town()
    _, _, nearest = walked(study)
    found = measure_detours(nearest, study, NORMS)
    assert list(found.units.columns) == list(DETOUR_COLUMNS)
    assert found.cells.loc["o", KIND] == pytest.approx(2100 / 100)
    straight = np.hypot(1000, 100)
    assert found.cells.loc["w", KIND] == pytest.approx(1100 / straight)
    whole = found.units.set_index("unit_id").loc[ALL_UNITS]
    each = len(catalog.kinds()[KIND].bands)
    assert whole["detour_index"] == pytest.approx((2100 + 1100) / (100 + straight))
    assert whole["detour_child_m"] == pytest.approx(each * (2100 + 1100 - 100 - straight))
    assert whole["children_cut_off"] == each, "100 m away, and beyond the limit on foot"


def test_who_is_not_walked_to_is_not_measured_but_cut_off() -> None:
    study = town()
    _, _, nearest = walked(study, horizon=1500.0)
    found = measure_detours(nearest, study, NORMS)
    each = len(catalog.kinds()[KIND].bands)
    assert np.isnan(found.cells.loc["o", KIND])
    whole = found.units.set_index("unit_id").loc[ALL_UNITS]
    assert (whole["children_measured"], whole["children_cut_off"]) == (each, each)


def test_the_link_is_drawn_where_the_bridge_is_missing() -> None:
    found = links_of(town(), count=1)
    link = found.table.iloc[0]
    assert list(found.table.columns) == [*LINK_COLUMNS, "geometry"]
    assert list(found.gains.columns) == list(LINK_GAIN_COLUMNS)
    assert shapely.equals(link.geometry, LineString([(1000, 0), (1000, 100)]))
    assert (link["barrier"], link["barrier_name"]) == ("water", "江")
    assert link["length_m"] == pytest.approx(100) and link["walk_now_m"] == pytest.approx(2100)
    each = len(catalog.kinds()[KIND].bands)
    assert link["child_m_saved"] == pytest.approx(2000 * each)
    assert link["children_nearer"] == each and link["children_newly_within"] == each


def test_beyond_the_horizon_a_link_saves_at_least_what_is_known() -> None:
    gain = links_of(town(), count=1, horizon=1500.0).gains.iloc[0]
    each = len(catalog.kinds()[KIND].bands)
    assert gain["child_m_saved"] == pytest.approx((1500 - 100) * each)
    assert gain["children_newly_reached"] == each


def test_no_link_where_nothing_parts_or_nothing_is_saved() -> None:
    study = town()
    dry = replace(study, backdrop=study.backdrop.iloc[:0])
    assert links_of(dry).table.empty
    assert links_of(town(gap=False)).table.empty
    assert links_of(study, longest_m=90.0).table.empty
    house = gpd.GeoDataFrame({"theme": ["building"], "name": [""]}, geometry=[box(-50, 40, 1100, 60)], crs=CRS)
    built = replace(study, backdrop=gpd.pd.concat([study.backdrop, house], ignore_index=True))
    assert links_of(built).table.empty, "through houses"


def test_an_oblique_link_that_saves_hardly_more_is_not_drawn() -> None:
    """From the home straight to the door are 141 m, and saves 1,859; right across the river 100 m, and saves 1,800."""
    link = links_of(town(door=900.0), count=1).table.iloc[0]
    each = len(catalog.kinds()[KIND].bands)
    assert link["length_m"] == pytest.approx(100) and link["child_m_saved"] == pytest.approx(1800 * each)
    assert (link["from_street"], link["to_street"]) == ("", ""), "nameless, not an id"


def test_a_splinter_of_the_data_is_no_far_bank_but_a_large_piece_is() -> None:
    study = town()
    bridge = study.streets.index[-1]
    apart = replace(study, streets=study.streets.drop(index=bridge).reset_index(drop=True))
    link = links_of(apart, count=1).table.iloc[0]
    assert np.isnan(link["walk_now_m"]) and link["child_m_saved"] > 0, "two banks without any bridge"
    lines = [*study.streets.geometry, LineString([(1010, -100), (1010, -60)])]
    streets, nodes = street_table(lines)
    streets = streets.assign(bridge=False, tunnel=False, steps=False, highway="footway")
    splinter = replace(town(gap=False), streets=streets.drop(index=bridge).reset_index(drop=True), nodes=nodes)
    ends = {tuple(end) for line in links_of(splinter, count=9).table.geometry for end in line.coords}
    assert ends and not any(y < 0 for _, y in ends)


@pytest.mark.parametrize(
    ("line", "by_itself", "avoided"),
    [([(1000, 0), (1000, -50)], True, (1000, 0)), ([(1000, 140), (1000, 60)], False, (1000, 100))],
)
def test_a_link_ends_where_its_scenario_can_name_the_junction(
    line: list[tuple[float, float]], by_itself: bool, avoided: tuple[float, float]
) -> None:
    """A path ends by itself at the best place on the south bank, as at a closed gate; one passes that on the north."""
    study = town()
    streets, nodes = street_table([*study.streets.geometry, line])
    streets = streets.assign(bridge=False, tunnel=False, steps=False, highway="footway")
    if by_itself:
        streets.loc[streets.index[-1], "from_node"] = new = int(nodes["node_id"].max()) + 1
        nodes = gpd.pd.concat([nodes, nodes.iloc[-1:].assign(node_id=new, x=line[0][0], y=line[0][1])])
    links = links_of(replace(study, streets=streets, nodes=nodes.reset_index(drop=True)), count=1).table
    assert len(links) == 1 and avoided not in links.geometry.iloc[0].coords[:]


@pytest.mark.parametrize("theme", ["water", "rail", "road"])
def test_what_parts_is_named(theme: str) -> None:
    assert links_of(town(theme=theme), count=1).table["barrier"].tolist() == [theme]


def test_a_big_street_parts_as_well() -> None:
    study = town()
    streets, nodes = street_table([*study.streets.geometry, [(-60.0, 50.0), (1200.0, 50.0)]])
    streets = streets.assign(bridge=False, tunnel=False, steps=False, highway="footway")
    streets.loc[len(streets) - 1, ["highway", "name", "lanes", "maxspeed"]] = ["primary", "大道", "6", "60"]
    study = replace(study, streets=streets, nodes=nodes, backdrop=study.backdrop.iloc[:0])
    link = links_of(study, count=1).table.iloc[0]
    assert (link["barrier"], link["barrier_name"], link["length_m"]) == ("road", "大道", 100.0)


def test_the_next_link_is_what_it_adds_to_those_before() -> None:
    first, *others = links_of(town(), count=3).table["child_m_saved"]
    assert first >= 2000
    assert others == [], "with the first bridge, no other saves anybody a metre"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random_places(plain=True))
def test_a_search_from_a_node_is_the_walk_of_every_origin_to_it(place: Place) -> None:
    """Against the engine itself: a node is as far as a facility that stands on it."""
    network, attached, _ = walked(study_of(place))
    nodes = np.arange(len(network.node_id))
    reached = list(walks_to_nodes(network, attached, nodes, np.full(len(nodes), 2000.0)))
    assert len(reached) == len(nodes)
    by_node = np.full((len(nodes), len(attached.origin_ids)), np.nan)
    for node, (origin, metres) in enumerate(reached):
        by_node[node, origin] = metres
    kinds = list(dict.fromkeys(place.facilities["kind"]))
    onward = nearest_costs(network, at_nodes(network, attached), place.facilities, kinds=kinds, horizon_m=2000.0)
    nearest = nearest_costs(network, attached, place.facilities, kinds=kinds, horizon_m=2000.0)
    on_one_street = np.diff(attached.direct.start).sum() > 0
    for kind in kinds:
        then_m = onward.metres[kind].fillna(np.inf).to_numpy()
        through = (np.nan_to_num(by_node, nan=np.inf) + then_m[:, None]).min(axis=0)
        metres = nearest.metres[kind].to_numpy()
        assert not (metres > through + 1e-6).any(), "no walk by way of a node is shorter"
        passes = np.isclose(metres, through, atol=1e-6) | np.isnan(metres)
        assert passes.all() or on_one_street, "but for walks along one street, all pass a node"


@pytest.fixture(scope="module")
def sample() -> tuple[Plan, Study, Network, Attachment, NearestCosts]:
    plan = load_plan(ROOT / "scenarios" / "base.toml")
    result, steps = answer_plan(plan, None, Clock(lambda stage: None))
    kinds = list(result.coverage.metres.columns)
    nearest = nearest_costs(
        steps.network, steps.attachment, steps.study.facilities, kinds=kinds, horizon_m=horizon_m(plan)
    )
    return plan, steps.study, steps.network, steps.attachment, nearest


def test_the_scenario_of_a_link_saves_what_was_promised(sample, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    plan, study, network, attached, nearest = sample
    kinds = ["primary_school", "kindergarten", "library"]
    found = find_links(study, network, attached, nearest, plan.resolved_norms(), kinds=kinds, count=2)
    assert len(found.table) == 2 and "rail" in set(found.table["barrier"])
    (tmp_path / "scenarios").mkdir()
    for number, file in enumerate(write_link_scenarios(found.table, plan, tmp_path / "scenarios", "zh")):
        after, _ = answer_plan(load_plan(file, allow=(ROOT,)), None, Clock(lambda stage: None))
        promised = found.gains[found.gains["link_id"] == f"L{number + 1}"].set_index("kind")
        for kind in kinds:
            then = after.coverage.metres[kind].fillna(nearest.horizon_m).to_numpy()
            now = nearest.metres[kind].fillna(nearest.horizon_m).to_numpy()
            children = children_for(kind, study)
            assert float(((now - then) * children).sum()) == pytest.approx(
                promised.loc[kind, "child_m_saved"], abs=1e-3
            )
            assert children[now - then > 1e-6].sum() == promised.loc[kind, "children_nearer"]
        assert promised["child_m_saved"].sum() > 10_000


def test_no_file_of_somebody_else_is_written_over(sample, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    plan = sample[0]
    links = links_of(town(), count=1).table
    (path,) = write_link_scenarios(links, plan, tmp_path, "en")
    assert write_link_scenarios(links, plan, tmp_path, "zh") == [path], "its own it may"
    path.write_text("name = 'mine'\n", encoding="utf-8")
    with pytest.raises(OutputError):
        write_link_scenarios(links, plan, tmp_path, "zh")
    assert path.read_text(encoding="utf-8") == "name = 'mine'\n"
