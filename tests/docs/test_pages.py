"""The documentation is true: its blocks run and print what they say, its links lead somewhere."""

import re

import pytest

from blocks import PAGES, ROOT, blocks, matches, run_page, statements

CODES = (ROOT / "ext" / "base" / "status.cpp").read_text()


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_block_runs_and_prints_what_it_says_twice(page, tmp_path):
    run_page(page, tmp_path)


def test_the_main_pages_have_blocks():
    runnable = {p.name for p in PAGES if blocks(p)}
    assert {"README.md", "quickstart.md", "concepts.md", "file-format.md", "troubleshooting.md"} <= runnable


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def test_every_error_code_is_explained():
    codes = set(re.findall(r'"(WF_[A-Z_]+)"', CODES))
    assert len(codes) == 14
    for page in ("troubleshooting.md", "concepts.md"):
        text = (ROOT / "docs" / page).read_text()
        assert {code for code in codes if f"`{code}`" not in text} == set(), page


def test_no_page_names_a_machine():
    for page in PAGES:
        assert not re.search(r"/(work|root|home|tmp)/", page.read_text()), page


def test_expected_output_matches_with_gaps():
    assert matches("run_...", "run_1_abc") and matches("a...c", "abc") and not matches("a", "ab") and not matches("a.c", "abc")


def test_a_block_is_cut_into_statements(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```sql\n.mode list\nSELECT 1, -- => no\n  2;  -- => 1|2\nSELECT 3; -- => 3\n-- => 4\n\n-- a comment\nSELECT ';';\n```\n"
        "```sql no-run\nSELECT\n```\n".replace(" -- => no", "")
    )
    (block,) = blocks(page)
    assert [(s.line, s.lines[0].split()[0], s.expected) for s in statements(block)] == [
        (2, ".mode", []),
        (3, "SELECT", ["1|2"]),
        (5, "SELECT", ["3", "4"]),
        (9, "SELECT", []),
    ]
