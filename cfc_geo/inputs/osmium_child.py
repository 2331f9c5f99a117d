"""osmium's passes over a file, in a process of their own: what osmium does not survive (a tag that is no UTF-8, a place
off the globe in a .osm.pbf) ends that process and not the program.

`opl.py` runs this file as a program; it needs nothing else of the package. The first line of the input, JSON, says what
to read; every further line orders a pass, and is answered by one line: "" or what osmium says against the file. `ids`
of an order: the objects to keep, none of them for all; null for those that carry one of the keys.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any

import osmium

OPL_FORMAT = "opl,add_metadata=version,force_visible_flag=true,locations_on_ways=true"
ENTITIES = {"n": osmium.osm.NODE, "w": osmium.osm.WAY, "r": osmium.osm.RELATION}


def main() -> None:
    file = json.loads(sys.stdin.readline())
    source = osmium.io.File(file["path"], file["format"])
    positions = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
    positions.ignore_errors()
    tagged = osmium.filter.KeyFilter(*file["keys"])
    for line in sys.stdin:
        order = json.loads(line)
        filters = [tagged] if order["ids"] is None else [osmium.filter.IdFilter(order["ids"])] if order["ids"] else []
        said = write_pass(source, order["entities"], [positions, *filters], order["target"])
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


def write_pass(source: Any, entities: str, handlers: Iterable[Any], target: str) -> str:
    """Write what passes the handlers to `target`, as OPL; returns "" or what osmium says against the file."""
    wanted = osmium.osm.NOTHING
    for letter in entities:
        wanted |= ENTITIES[letter]
    try:
        writer = osmium.SimpleWriter(osmium.io.File(target, OPL_FORMAT))
        try:
            with osmium.io.Reader(source, wanted) as reader:
                osmium.apply(reader, *handlers, writer)
        finally:
            writer.close()
    except (OSError, RuntimeError, ValueError, osmium.InvalidLocationError) as error:
        return str(error) or type(error).__name__
    return ""


if __name__ == "__main__":
    main()
