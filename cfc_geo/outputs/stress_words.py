"""Why a street or a crossing is hard, and how that is known, in words."""

from cfc_geo import catalog
from cfc_geo.outputs.tables import text


def why_in_words(governed_by: str, evidence: str, lang: str) -> str:
    """speed, tagged → 车速（有标签）; a key that has no word stays as it is."""
    words = catalog.room_words("stress", lang)
    why, known = (words.get(f"{room}.{key}", text(key)) for room, key in (("why", governed_by), ("evidence", evidence)))
    return words["told"].format(why=why, evidence=known)
