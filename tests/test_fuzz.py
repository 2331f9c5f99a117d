"""A few hundred spoilt files, the same each time; `fuzz_readers.py` is for hours."""

from pathlib import Path

from tests.fuzz_readers import Reader, fine, good_cases, spoil_and_read

READINGS = 100


def test_whatever_bytes_change_reading_ends_in_a_result_or_in_findings(tmp_path: Path) -> None:
    cases, read = good_cases(tmp_path), Reader()
    assert {case.name: read(case.plan) for case in cases} == {case.name: "result" for case in cases}
    endings = {seed: ending for seed, _, _, ending in spoil_and_read(cases, read, iter(range(READINGS)))}
    read.close()
    assert {seed: ending for seed, ending in endings.items() if not fine(ending)} == {}
    assert set(endings.values()) == {"result", "findings"}
