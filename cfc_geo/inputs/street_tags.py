"""What a way's tags say of how it is walked, beyond whether; one reading for every street file whose ways have them.

Texts as in OpenStreetMap, "" where nothing is said. Wiki pages "Key:sidewalk", "Key:width", "Street parking",
"Key:segregated", "Key:incline", "Key:oneway".
"""

from collections.abc import Callable, Mapping
from typing import Final

from cfc_geo.inputs.walkable import WITHOUT_CARS, Tags

SIDES: Final = ("both", "left", "right")
ON_FOOTWAY: Final = frozenset({"on_kerb", "half_on_kerb", "shoulder_kerb"})
NO_PARKING: Final = frozenset({"no", "none", "no_parking", "no_stopping", "separate", "fire_lane"})


def sidewalk_width(tags: Tags) -> str:
    """The width of the footway as tagged, of two sides the narrower; of a way without cars its own `width`."""
    if tags.get("highway") in WITHOUT_CARS:
        return tags.get("width", "")
    said = [tags[key] for side in SIDES if (key := f"sidewalk:{side}:width") in tags]
    return min(said or [tags.get("sidewalk:width", "")], key=lambda text: (len(text.split(".")[0]), text))


def parking(tags: Tags) -> str:
    """Where cars park: "footway" (on the kerb, half or whole), "lane", "no", or "" (nothing is said)."""
    keys = [f"parking:{side}" for side in SIDES] + [f"parking:lane:{side}" for side in SIDES]
    where = {tags.get(f"{key}:{rest}", "") for key in keys for rest in ("orientation", "position", "parallel")}
    said = {tags[key] for key in keys if key in tags} | where - {""}
    if said & ON_FOOTWAY:
        return "footway"
    if said - NO_PARKING:
        return "lane"
    return "no" if said else ""


def oneway(tags: Tags) -> str:
    """Whether vehicles may go one way only: "yes", "-1" or ""; a roundabout is one-way unless tagged otherwise."""
    said = tags.get("oneway", "")
    if said in ("-1", "reverse"):
        return "-1"
    implied = not said and tags.get("junction") in ("roundabout", "circular")
    return "yes" if implied or said.lower() in ("yes", "true", "1") else ""


STREET_TAGS: Final[Mapping[str, Callable[[Tags], str]]] = {
    "oneway": oneway,
    "sidewalk_width": sidewalk_width,
    "segregated": lambda tags: tags.get("segregated", ""),
    "parking": parking,
    "incline": lambda tags: tags.get("incline", ""),
}
"""Column of `tables.STREET_COLUMNS` → how it is read from tags."""
