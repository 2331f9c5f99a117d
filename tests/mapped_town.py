"""The street and the lane of `toyplan`, as OpenStreetMap would map them, with all that `cfc-geo fetch` asks for.

     300 |          G                         G   playground at (400, 300)
         |          |
     100 |          |     SSSSSSSSSg            S   school grounds from (500, 20) to (700, 100), gate g at (700, 20)
      20 |    A     |     ScccSSSSSS    B       A   flats, 20 × 20 m and 6 floors, B of 2; c a building on the school
       0 +-K--------+-------------------+---    K   kindergarten, a node at (100, 0); the street is residential
         0   200   400   500   700   1000  1200

A has 2,400 m² of floor and B 800, so of 100 children 75 live in A. The office at (210, 60) is nobody's home, nor is the
farm at (1600, 20), which lies outside `BBOX`. The park is a multipolygon of two half rings, west of (0, 0).
"""

from pathlib import Path
from xml.sax.saxutils import quoteattr

from tests.toyplan import lonlat

NAME = '小学 <“A&B”> "1\'s"'
SQUARE = ((0, 0), (20, 0), (20, 20), (0, 20))
BBOX = ",".join(f"{degrees:.5f}" for corner in ((-100, -200), (1300, 400)) for degrees in lonlat(*corner))


class Drawing:
    """Collects objects and numbers them; places drawn twice are one node."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[float, float], dict[str, str]] = {}
        self._lines: list[tuple[int, str]] = []

    def node(self, at: tuple[float, float], **tags: str) -> int:
        self._nodes.setdefault(at, {}).update(tags)
        return list(self._nodes).index(at) + 1

    def way(self, places: list[tuple[float, float]], **tags: str) -> int:
        refs = "".join(f'<nd ref="{self.node(place)}"/>' for place in places)
        self._lines.append((len(self._lines) + 1, refs + _tags(tags)))
        return len(self._lines)

    def square(self, x: float, y: float, **tags: str) -> int:
        corners = [(x + dx, y + dy) for dx, dy in SQUARE]
        return self.way([*corners, corners[0]], **tags)

    def write(self, path: Path, relations: str = "") -> Path:
        nodes = [
            f'<node id="{number}" lon="{lon:.7f}" lat="{lat:.7f}">{_tags(tags)}</node>'
            for number, (at, tags) in enumerate(self._nodes.items(), start=1)
            for lon, lat in [lonlat(*at)]
        ]
        ways = [f'<way id="{way}">{inside}</way>' for way, inside in self._lines]
        content = "\n".join([*nodes, *ways, relations])
        path.write_text(f'<osm version="0.6">{content}</osm>\n', encoding="utf-8")
        return path


def write_town(path: Path, *, homes: bool = True) -> Path:
    """The town of the sketch as an .osm file; without homes, A and B are missing."""
    town = Drawing()
    town.way([(0, 0), (100, 0), (400, 0), (700, 0), (1000, 0), (1200, 0), (1600, 0)], highway="residential")
    town.way([(400, 0), (400, 300)], highway="footway")
    town.node((100, 0), amenity="kindergarten", name="幼儿园")
    town.node((400, 300), leisure="playground")
    grounds = [(500, 20), (700, 20), (700, 100), (500, 100), (500, 20)]
    town.way(grounds, amenity="school", name=NAME)
    town.node((700, 20), barrier="gate")
    town.square(520, 40, building="yes")
    town.square(210, 60, building="yes", office="company")
    town.square(1600, 20, building="farm")
    if homes:
        town.square(190, 10, building="apartments", **{"building:levels": "6"})
        town.square(990, 10, building="yes", **{"building:levels": "2"})
    halves = [town.way([(-90, 0), (-90, 90), (-10, 90)]), town.way([(-10, 90), (-10, 0), (-90, 0)])]
    members = "".join(f'<member type="way" ref="{way}" role="outer"/>' for way in halves)
    park = {"type": "multipolygon", "leisure": "park", "name": "公园"}
    return town.write(path, f'<relation id="1">{members}{_tags(park)}</relation>')


def _tags(tags: dict[str, str]) -> str:
    return "".join(f"<tag k={quoteattr(key)} v={quoteattr(value)}/>" for key, value in tags.items())
