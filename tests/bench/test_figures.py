"""What bench/ measured gets into docs/performance.md by itself: the pictures are drawn, the tables stand between their markers."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

PAGE = (ROOT / "docs/performance.md").read_text()


def drawn(tmp_path):
    rows = [{"name": f"{what} | {mix} | {n}", "ratio": value, "unit": unit}
            for what, value, unit in (("file", 300, "B each"), ("wf_claim", 41.5, "us"), ("wf_purge", 250_000, "us"), ("memory", 800, "KiB"))
            for mix in ("a < b", "bad") for n in (1_000, 10_000, 1_000_000)]
    rows += [{"name": f"wf_step that reads | one workflow | {n}", "ratio": 0, "unit": "us"} for n in (10, 100)]
    (tmp_path / "figures.json").write_text(json.dumps(rows))
    subprocess.run([sys.executable, str(ROOT / "bench/growth/draw.py"), str(tmp_path / "figures.json"), str(tmp_path / "out")], check=True, timeout=60)
    return {file.name: file.read_text() for file in (tmp_path / "out").iterdir()}


def test_growth_is_drawn_for_light_and_dark(tmp_path):
    pictures = drawn(tmp_path)
    assert set(pictures) == {"calls.svg", "size.svg", "steps.svg"}
    for text in pictures.values():
        xml.fromstring(text)
        assert "prefers-color-scheme: dark" in text
    assert "wf_claim, µs" in pictures["calls.svg"] and "wf_purge, ms" in pictures["calls.svg"] and "a &lt; b" in pictures["calls.svg"]
    assert pictures["calls.svg"].count("<polyline") == 4
    assert "1k" in pictures["calls.svg"] and "1M" in pictures["calls.svg"]


def test_the_page_shows_the_pictures():
    for name in re.findall(r"\]\((growth/[^)]+)\)", PAGE):
        xml.fromstring((ROOT / "docs" / name).read_text())
    assert PAGE.count("](growth/") == 3


def test_every_table_has_its_markers_and_is_replaced_alone():
    import pages

    names = re.findall(r"<!-- figures: (\w+) -->", PAGE)
    assert sorted(names) == ["beside", "claims", "crowds", "jobs", "packages", "peers", "steps"]
    for name in names:
        written = pages.write(PAGE, name, "| new |")
        assert written.count("| new |") == 1
        assert len(re.findall(r"<!-- end of figures -->", written)) == len(names)
        assert pages.write(written, name, "| new |") == written


def test_tables_are_made_of_what_the_bench_saves():
    import pages

    rows = {f"wf_step, {what}, {s}": {"ratio": 11_532.4, "note": "raw 12814/s, x1.11"} for what in ("each a commit", "10 in a transaction", "100 in a transaction")
            for s in ("NORMAL", "FULL")}
    assert "| each call a commit | `NORMAL` | 11,500 | 12,800 |" in pages.steps(rows)
    rows = {f"jobs, {p} process{'es' if p > 1 else ''}, {s}": {"ratio": 42, "note": "raw 34/s, x1"} for p in (1, 2, 4, 8) for s in ("NORMAL", "FULL")}
    assert "| 8 | 42 | 34 | 42 | 34 |" in pages.jobs(rows)
    rows = {"claim 1000000 / 1000: all sleeping": {"ratio": 1.02, "us": 13.2, "raw_us": 12.9}, "  in a transaction": {}}
    assert "| all sleeping | 13 µs | 13 µs | 1.02 |" in pages.claims(rows)
    rows = {
        "8 processes, WAL, FULL: longest call": {"us": 177_081, "raw_us": 5_011_377, "note": "failed 0 (7), fewest/most 0.88 (0.13), calls/s 8028 (10390)"},
        "8 processes, WAL, FULL, half applications: longest call":
            {"us": 998, "raw_us": 1, "note": "failed 0 (0), fewest/most 0.15 (0.12), calls/s 30341 (38675), of applications 5842 (16604)"},
    }
    assert pages.crowds(rows).splitlines()[2:] == ["| WAL, `FULL` | 8 | 177 ms (5.0 s) | 0.88 (0.13) | 8,030 (10,400) | 0 (7) |"]
    assert pages.beside_others(rows).splitlines()[2:] == ["| as many applications | WAL, `FULL` | 8 | 1 ms (0 ms) | 30,300 (38,700) | 5,840 (16,600) | 0 (0) |"]


def test_a_table_of_the_packages_has_a_column_for_each_language():
    import pages

    rows = [{"name": f"{language}: {what}", "ratio": ratio, "unit": unit} for what, ratio, unit in (("a step", 1.4, "x"), ("memory", 1568.0, "KiB"), ("delay", 3.54, "ms"))
            for language in ("Python", "Go") if (language, what) != ("Go", "delay")]
    assert pages.packages(rows).splitlines() == ["|  | Python | Go |", "| --- | --- | --- |", "| a step | 1.40 | 1.40 |", "| memory | 1,568 KiB | 1,568 KiB |", "| delay | 3.5 ms |  |"]
