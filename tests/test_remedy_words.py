"""Remedies in words: no code of a table reaches a planner."""

from cfc_geo.outputs.remedy_words import counted_in_words, remedies_in_words


def test_remedies_of_a_place_are_told_together_or_one_of_them() -> None:
    assert remedies_in_words("30_kmh+footway;signal", "en") == "30 km/h + footways on both sides, or signals"
    assert remedies_in_words("30_kmh+footway;signal", "zh") == "限速 30 + 两侧人行道，或信号灯"
    assert remedies_in_words("", "zh") == ""


def test_remedies_of_a_corridor_are_counted() -> None:
    counts = "footway × 3; 30_kmh+footway × 2; none_alone × 1"
    assert counted_in_words(counts, "zh") == "两侧人行道 × 3、限速 30 + 两侧人行道 × 2、一两项办法还不够 × 1"
    assert "none_alone" not in counted_in_words(counts, "en") and counted_in_words("", "en") == ""
