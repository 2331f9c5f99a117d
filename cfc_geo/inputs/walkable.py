"""Which ways a child with an adult may walk, in which directions, and which barriers let them through.

One rule table for every street file whose ways carry OpenStreetMap's tags (.osm, .osm.pbf, GraphML, line layers with a
`highway` column). The defaults follow the OpenStreetMap wiki, pages "OSM tags for routing/Access restrictions" (row
foot, column worldwide), "Key:foot", "Key:access", "Key:motorroad", "Key:oneway:foot" and "Key:conveying".

| way                                                        | walkable                                               |
|------------------------------------------------------------|--------------------------------------------------------|
| highway is one of `OPEN`                                   | yes, unless a row below says no                        |
| highway=cycleway                                           | foot allowed, or segregated=yes|no, or a sidewalk      |
| any other highway (motorway, motorway_link, construction,  | no                                                     |
| proposed, razed, raceway, bus_guideway, busway, …), ferry  |                                                        |
| foot=no or foot=private                                    | no                                                     |
| motorroad=yes                                              | no (expressways built as trunk)                        |
| access=no or private, or service=private                   | only if foot is allowed                                |
| foot=use_sidepath, sidewalk=separate                       | yes: the path beside it is the same walk               |

"Foot is allowed" means that foot is one of `FOOT_ALLOWED`. Plain oneway=yes binds vehicles, not walkers; see
`walking_directions`.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

Tags = Mapping[str, str]

OPEN = frozenset(
    {
        "trunk", "trunk_link", "primary", "primary_link", "secondary", "secondary_link", "tertiary", "tertiary_link",
        "unclassified", "residential", "living_street", "service", "pedestrian", "footway", "path", "steps", "track",
        "bridleway", "corridor", "platform", "elevator", "escalator", "crossing", "road",
    }
)  # fmt: skip
"""Values of `highway` on which walking is usual or at least lawful."""

WITHOUT_CARS = frozenset(
    {
        "pedestrian", "footway", "path", "steps", "track", "bridleway", "corridor", "platform", "elevator", "escalator",
        "crossing", "cycleway",
    }
)  # fmt: skip
"""Values of `highway` of ways that have no carriageway: no sidewalk, lanes or speed limit is to be expected."""

FOOT_ALLOWED = frozenset({"yes", "designated", "permissive", "customers", "destination", "official"})
CLOSED = frozenset({"no", "private"})
TRUE_WORDS = frozenset({"yes", "true", "1"})

ONE_WAY_TAGS = frozenset({"oneway:foot", "foot:forward", "foot:backward", "conveying"})


def walking_directions(tags: Tags) -> tuple[bool, bool]:
    """Whether a way may be walked (along its drawing direction, against it); (False, False) = not at all.

    A direction is closed only by tags that speak of walkers: oneway:foot=yes|-1, foot:forward=no, foot:backward=no,
    or conveying=forward|backward (escalators and moving walkways).
    """
    if not is_walkable(tags):
        return False, False
    if ONE_WAY_TAGS.isdisjoint(tags):
        return True, True
    oneway, conveying = tags.get("oneway:foot", ""), tags.get("conveying", "")
    forward = not (oneway in ("-1", "reverse") or conveying == "backward" or tags.get("foot:forward") == "no")
    backward = not (oneway in TRUE_WORDS or conveying == "forward" or tags.get("foot:backward") == "no")
    return forward, backward


def is_walkable(tags: Tags) -> bool:
    """Whether walkers may use the way at all, by the table above."""
    highway, foot = tags.get("highway", ""), tags.get("foot", "")
    if highway not in OPEN and highway != "cycleway":
        return False
    if foot in CLOSED or tags.get("motorroad") == "yes":
        return False
    if foot in FOOT_ALLOWED:
        return True
    if tags.get("access") in CLOSED or tags.get("service") == "private":
        return False
    return highway != "cycleway" or tags.get("segregated") in ("yes", "no") or _has_sidewalk(tags)


def may_be_walked(streets: pd.DataFrame) -> np.ndarray:
    """Which rows of a table of streets may be walked, one way at least; one that a scenario closes is among them."""
    return np.array(streets["forward"] | streets["backward"], dtype=bool)


def is_private(tags: Tags) -> bool:
    """Whether the way is left out only because it is private or closed to the public."""
    if CLOSED.isdisjoint(tags.values()):
        return False
    opened = {key: value for key, value in tags.items() if value not in CLOSED}
    return not is_walkable(tags) and is_walkable(opened)


def is_closed_barrier(tags: Tags) -> bool:
    """Whether a barrier node stops walkers: foot=no|private, or access=no|private or locked=yes without foot allowed.

    Any other barrier (an untagged gate, a bollard, a lift gate) lets walkers pass.
    """
    if "barrier" not in tags or tags.get("foot") in FOOT_ALLOWED:
        return False
    return tags.get("foot") in CLOSED or tags.get("access") in CLOSED or tags.get("locked") == "yes"


def crossing_of_node(tags: Tags) -> str:
    """How walkers cross at a node: "" not at all, "traffic_signals", the value of `crossing`, or "yes" (unsaid); with
    ";island" behind it where there is a refuge."""
    island = ";island" if tags.get("crossing:island") == "yes" else ""
    return kind + island if (kind := _crossing_kind(tags)) else ""


def _crossing_kind(tags: Tags) -> str:
    crossing = tags.get("crossing", "")
    if crossing == "no":
        return ""
    if tags.get("highway") == "traffic_signals" or tags.get("crossing:signals") == "yes":
        return "traffic_signals"
    if crossing:
        return crossing
    return (tags.get("crossing_ref") or "yes") if tags.get("highway") == "crossing" else ""


def crossing_of_way(tags: Tags) -> str:
    """How walkers cross on a way that is a crossing (footway=crossing): the value of `crossing`, or "yes"; else ""."""
    if "crossing" in (tags.get("footway"), tags.get("path"), tags.get("cycleway"), tags.get("highway")):
        return tags.get("crossing", "yes") + (";island" if tags.get("crossing:island") == "yes" else "")
    return ""


def is_true(value: object) -> bool:
    """Whether a tag or a cell of a table says yes: any value but empty, no, false, 0, none and NaN."""
    text = str(value if value is not None else "").strip().lower()
    return text not in ("", "no", "false", "f", "0", "0.0", "none", "nan", "<na>", "否")


def is_tunnel(tags: Tags) -> bool:
    """Whether a way leads underground; a passage through a building does not."""
    return is_true(tags.get("tunnel")) and tags["tunnel"] != "building_passage"


def _has_sidewalk(tags: Tags) -> bool:
    return tags.get("sidewalk", "no") not in ("no", "none", "separate")
