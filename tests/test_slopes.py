"""Heights along streets: planes and steps whose climbs are known, and the seconds of walks on them."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from shapely import LineString

from cfc_geo import catalog
from cfc_geo.cli import main
from cfc_geo.errors import Findings
from cfc_geo.inputs.normalise import Area
from cfc_geo.inputs.study import read_study
from cfc_geo.inputs.terrain import height_at, read_terrain, smoothed
from cfc_geo.model import Terrain
from cfc_geo.network.slopes import climbs, crossing_waits_s, relief, slope_factor, walk_seconds
from cfc_geo.plan import load_plan
from tests.towns import street_table

ROOT = Path(__file__).parents[1]
GROWN = catalog.profiles()["alone_12_14"]
STROLLER = catalog.profiles()["stroller"]


def ground(height, *, cell: float = 30.0, size: int = 41) -> Terrain:  # type: ignore[no-untyped-def]
    """Heights by a function of x and y on a square about the origin."""
    half = cell * size / 2
    middles = -half + cell * (np.arange(size) + 0.5)
    x, y = np.meshgrid(middles, middles[::-1])
    return Terrain(np.asarray(height(x, y), dtype=float), (-half, half), (cell, cell), 25.0)


def ways(*lines: list[tuple[float, float]], **columns: object) -> gpd.GeoDataFrame:
    streets, _ = street_table([LineString(line) for line in lines])
    return streets.assign(**{"bridge": False, "tunnel": False, "steps": False, "incline": "", **columns})


SLOPE = ground(lambda x, y: 0.1 * x + 50)


def test_heights_on_a_plane_are_the_plane_s() -> None:
    places = np.array([(0.0, 0.0), (123.4, -77.0), (-300.0, 300.0)])
    assert height_at(SLOPE, places) == pytest.approx(0.1 * places[:, 0] + 50)
    assert np.isnan(height_at(SLOPE, np.array([(9_999.0, 0.0)]))).all()


def test_climbs_of_a_slope_and_of_a_ridge() -> None:
    streets = ways([(0, 0), (200, 0)], [(0, 0), (0, 200)], [(200, 0), (0, 0)])
    assert climbs(relief(SLOPE, streets)) == pytest.approx(np.array([[20, 0], [0, 0], [0, 20]]), abs=1e-9)
    ridge = ground(lambda x, y: 30 - 0.1 * np.abs(x))
    assert climbs(relief(ridge, ways([(-150, 0), (150, 0)]))) == pytest.approx(np.array([[15, 15]]), abs=2)


def test_a_bridge_runs_straight_over_what_it_spans_also_in_several_pieces() -> None:
    valley = ground(lambda x, y: np.where(np.abs(x) < 100, 0.0, 20.0))
    lines = (
        [(-200, 0), (-150, 0)],
        [(-150, 0), (-20, 0)],
        [(-20, 0), (60, 0)],
        [(60, 0), (150, 0)],
        [(150, 0), (200, 0)],
    )
    streets = ways(*lines, bridge=[False, True, True, True, False])
    assert climbs(relief(valley, streets)) == pytest.approx(np.zeros((5, 2)), abs=0.01)
    assert climbs(relief(valley, streets.assign(bridge=False))).max() > 15


def test_tobler_s_factor() -> None:
    published = {-0.15: 0.839, -0.10: 1.0, -0.05: 1.191, 0.0: 1.0, 0.025: 0.916, 0.05: 0.839, 0.08: 0.756, 0.15: 0.592}
    slopes = np.array(list(published))
    assert slope_factor(slopes, 9.9) == pytest.approx(list(published.values()), abs=6e-4)
    assert slope_factor(slopes, 1.0).max() == 1


def test_seconds_on_the_flat_uphill_and_down() -> None:
    streets = ways([(0, 0), (120, 0)], [(0, 0), (0, 120)])
    flat = walk_seconds(streets, None, GROWN)
    assert flat == pytest.approx(np.full((2, 2), 100.0))
    hilly = walk_seconds(streets, relief(SLOPE, streets), GROWN)
    assert hilly[1] == pytest.approx([100, 100])
    assert hilly[0] == pytest.approx([100 / np.exp(-3.5 * 0.1), 100.0]), "nobody gains on 10 % down"


def test_where_no_height_is_known_streets_are_flat() -> None:
    streets = ways([(5_000, 0), (5_120, 0)])
    of = relief(SLOPE, streets)
    assert np.isnan(climbs(of)).all() and walk_seconds(streets, of, GROWN) == pytest.approx(np.full((1, 2), 100))


@pytest.mark.parametrize(("incline", "ahead", "back"), [("up", 0.35, 0.5), ("-30%", 0.5, 0.35)])
def test_steps_take_longer_up_than_down(incline: str, ahead: float, back: float) -> None:
    steps = ways([(0, 0), (12, 0)], steps=True, incline=incline)
    assert walk_seconds(steps, None, GROWN)[0] == pytest.approx([10 / ahead, 10 / back])


def test_steps_of_unsaid_direction_follow_the_heights_else_take_the_mean() -> None:
    steps = ways([(0, 0), (12, 0)], steps=True)
    assert walk_seconds(steps, relief(SLOPE, steps), GROWN)[0] == pytest.approx([10 / 0.35, 10 / 0.5])
    assert walk_seconds(steps, None, GROWN)[0] == pytest.approx([5 / 0.35 + 5 / 0.5] * 2)


def test_strollers_cannot_take_steps() -> None:
    streets = ways([(0, 0), (12, 0)], [(12, 0), (24, 0)], steps=[True, False])
    assert np.isinf(walk_seconds(streets, None, STROLLER)).tolist() == [[True, True], [False, False]]


def test_waits_by_type_of_crossing() -> None:
    assert crossing_waits_s(np.array(["signal", "none", "bridge"], dtype=object), GROWN).tolist() == [25, 10, 0]


def test_smoothing_keeps_planes_and_removes_the_stairs_of_whole_metres() -> None:
    plane = SLOPE.heights[:, :]
    assert smoothed(plane, 1.0)[5:-5, 5:-5] == pytest.approx(plane[5:-5, 5:-5])
    gentle = ground(lambda x, y: np.rint(0.017 * x + 50), cell=10.0, size=81)
    street = ways([(-300, 0), (300, 0)])
    rough = climbs(relief(gentle, street))[0]
    even = Terrain(smoothed(gentle.heights, 2.5), gentle.corner, gentle.cell, 25.0)
    slopes = np.diff(relief(even, street).height_m) / 25
    assert rough[0] == pytest.approx(10, abs=1) and np.abs(slopes - 0.017).max() < 0.012
    assert np.abs(np.diff(relief(gentle, street).height_m) / 25 - 0.017).max() > 0.02
    holed = plane.copy()
    holed[20, 20] = np.nan
    assert np.isnan(smoothed(holed, 1.0)).sum() == 1


# ---------------------------------------------------------------------------------------------------------------- files


def plan_with(folder: Path, terrain: str) -> Path:
    plan = folder / "plan.toml"
    plan.write_text(f'extends = "{ROOT / "scenarios/base.toml"}"\nname = "terrain"\n{terrain}', encoding="utf-8")
    return plan


def raster(
    path: Path, values: np.ndarray, *, west: float = 487_800, north: float = 3_149_000, **profile: object
) -> Path:
    bands = values if values.ndim == 3 else values[None]
    shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype.name}
    made = {"crs": "EPSG:4549", "transform": Affine(60, 0, west, 0, -60, north), **shape, **profile}
    with rasterio.open(path, "w", driver="GTiff", **made) as file:
        file.write(bands)
    return path


def test_the_sample_s_terrain_is_read_and_stated_among_the_sources(tmp_path: Path) -> None:
    (tmp_path / "dem.tif").write_bytes((ROOT / "data/terrain/dem.tif").read_bytes())
    study = read_study(load_plan(plan_with(tmp_path, '[terrain]\nfile = "dem.tif"'), allow=(ROOT,)))
    assert study.terrain is not None and study.sources[-1].role == "terrain"
    with rasterio.open(ROOT / "data/terrain/dem.tif") as dem:
        inside = study.nodes[
            study.nodes["x"].between(488_500, 490_500) & study.nodes["y"].between(3_146_000, 3_148_000)
        ]
        raw = np.array([value[0] for value in dem.sample(inside[["x", "y"]].to_numpy())])
    assert np.abs(height_at(study.terrain, inside[["x", "y"]].to_numpy()) - raw).max() < 12
    of = relief(study.terrain, study.streets)
    climbed = climbs(of)
    net = of.height_m[of.start[1:] - 1] - of.height_m[of.start[:-1]]
    known = np.isfinite(climbed).all(axis=1)
    assert known.mean() > 0.9 and climbed[known, 0] - climbed[known, 1] == pytest.approx(net[known])


def look(folder: Path, terrain: str = '[terrain]\nfile = "dem.tif"') -> tuple[Terrain | None, list[str]]:
    """The terrain of a plan around nine junctions of the sample's ground, and the codes of what is found."""
    x, y = np.meshgrid([488_500.0, 489_500.0, 490_500.0], [3_146_000.0, 3_147_000.0, 3_148_000.0])
    nodes = pd.DataFrame({"x": x.ravel(), "y": y.ravel()})
    findings = Findings()
    area = Area("EPSG:4549", (488_400, 3_145_900, 490_600, 3_148_100))
    found = read_terrain(load_plan(plan_with(folder, terrain), allow=(ROOT,)), area, nodes, findings)
    return found, [finding.code for finding in findings]


def test_whole_metres_are_smoothed_and_said_so(tmp_path: Path) -> None:
    raster(tmp_path / "dem.tif", np.full((70, 70), 33, dtype="uint8"))
    terrain, codes = look(tmp_path)
    assert codes == ["terrain.whole_metres"]
    assert terrain is not None and np.nanmax(np.abs(terrain.heights - 33)) < 1e-9


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("terrain.bands", lambda path: raster(path, np.zeros((2, 70, 70), dtype="uint8"))),
        ("terrain.no_heights", lambda path: raster(path, np.full((70, 70), 60_000, dtype="uint16"))),
        ("terrain.elsewhere", lambda path: raster(path, np.zeros((70, 70), dtype="uint8"), west=600_000)),
        ("terrain.elsewhere", lambda path: raster(path, np.zeros((70, 70), dtype="uint8"), nodata=0)),
        ("raster.format", lambda path: path.write_text("x,y\n1,2\n", encoding="utf-8")),
        ("raster.no_position", lambda path: raster(path, np.zeros((70, 70), dtype="uint8"), crs=None)),
    ],
)
def test_what_is_no_raster_of_heights_is_refused(tmp_path: Path, code: str, make) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "dem.tif")
    terrain, codes = look(tmp_path)
    assert terrain is None and code in codes


def test_a_shifted_datum_is_refused_and_a_hole_is_warned_of(tmp_path: Path) -> None:
    heights = np.ones((70, 70), dtype="float32")
    heights[30:40, 25:35] = -9999
    raster(tmp_path / "dem.tif", heights, nodata=-9999)
    assert look(tmp_path)[1] == ["terrain.whole_metres", "terrain.partly"]
    refused, codes = look(tmp_path, '[terrain]\nfile = "dem.tif"\ndatum = "gcj02"')
    assert refused is None and codes == ["terrain.datum"]


def test_a_terrain_that_is_not_there_is_a_fault_a_planner_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_with(tmp_path, '[terrain]\nfile = "missing.tif"')
    assert main(["check", str(plan), "--allow", str(ROOT)]) != 0
    said = capsys.readouterr()
    assert "missing.tif" in said.out + said.err
