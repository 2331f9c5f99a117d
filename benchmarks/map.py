"""How large the map page gets, and how soon and how smoothly it shows: cells × street segments of a made-up district.

    python benchmarks/map.py [--smallest] [--keep FILE]

Prints cells, segments, seconds to draw, MB of the page and, where there is a Chromium, seconds from opening to ready
and frames a second while the map is dragged.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import shapely

sys.path.insert(0, str(Path(__file__).parents[1]))

from cfc_geo.outputs.maps import draw_map
from tests.results import make_result

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

DRAG = """async () => {
  const times = [], map = map_cfc;
  for (let i = 0; i < 120; i++) {
    map.panBy([i < 60 ? 8 : -8, i % 60 < 30 ? 5 : -5], { animate: false });
    await new Promise(requestAnimationFrame);
    times.push(performance.now());
  }
  return 1000 * (times.length - 1) / (times.at(-1) - times[0]);
}"""


def district(columns: int, segments: int):
    """A result with columns² cells of 50 m and about that many crooked segments of four points."""
    rng = np.random.default_rng(7)
    side = columns * 50.0
    start = rng.uniform(0, side, (segments, 1, 2))
    lines = shapely.linestrings(start + np.cumsum(rng.normal(0, 25, (segments, 4, 2)), axis=1))
    return make_result(columns=columns, rows=columns, cell_m=50.0, lines=lines, facilities=300)


def show(file: Path) -> str:
    """Seconds to ready and frames a second, as Chromium shows the page with the network off."""
    if shutil.which("chromium") is None:
        return "no Chromium on this machine"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True).new_page()
        begin = time.perf_counter()
        page.goto(file.as_uri())
        page.wait_for_selector("html.ready", timeout=120_000)
        ready = time.perf_counter() - begin
        whole = page.evaluate(f"({DRAG})()")
        page.evaluate("map_cfc.setZoom(map_cfc.getZoom() + 2, { animate: false })")
        near = page.evaluate(f"({DRAG})()")
        begin = time.perf_counter()
        page.select_option("#cfc-kind", "playground")
        switched = time.perf_counter() - begin
        browser.close()
    return f"ready {ready:.2f} s, {whole:.0f} fps (whole), {near:.0f} fps (two steps nearer), switch {switched:.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smallest", action="store_true", help="400 cells, 500 segments")
    parser.add_argument("--keep", type=Path, help="write the page of the last size here")
    options = parser.parse_args()
    sizes = [(20, 500)] if options.smallest else [(224, 100_000), (100, 110_000)]
    for columns, segments in sizes:
        result = district(columns, segments)
        draw_map(result, "zh")
        begin = time.perf_counter()
        page = draw_map(result, "zh")
        seconds = time.perf_counter() - begin
        with tempfile.TemporaryDirectory() as folder:
            file = options.keep or Path(folder) / "map.html"
            file.write_text(page, encoding="utf-8", newline="\n")
            shown = show(file)
        print(f"{columns**2} cells, {segments} segments: drawn in {seconds:.2f} s, {len(page) / 1e6:.2f} MB, {shown}")


if __name__ == "__main__":
    main()
