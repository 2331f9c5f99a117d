"""What would make a street or crossing bearable, in words."""

from cfc_geo import catalog


def remedies_in_words(remedies: str, lang: str) -> str:
    """30_kmh+footway;signal (a place's `remedies`) → both together, or the other; "" where there is none."""
    return _say("or", lang).join(_way(way, lang) for way in remedies.split(";")) if remedies else ""


def counted_in_words(remedies: str, lang: str) -> str:
    """footway × 3; none_alone × 1 (a corridor's `remedies`) → the same in words."""
    counted = [part.split(" × ") for part in remedies.split("; ") if part]
    return _say("list", lang).join(_say("counted", lang, what=_way(way, lang), count=count) for way, count in counted)


def _way(way: str, lang: str) -> str:
    return _say("and", lang).join(_say(f"to.{part}", lang) for part in way.split("+"))


def _say(key: str, lang: str, **values: str) -> str:
    return catalog.word(f"streets.{key}", lang, **values)
