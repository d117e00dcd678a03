"""docs/troubleshooting.md is found by the exact text of an error: what it quotes as ours is what the code says."""

import re
from functools import lru_cache

import pytest

from blocks import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
OURS = PAGE.split("## Errors of the extension")[1].split("## No error, but")[0]
CODE = re.compile(r"^(SELECT|PRAGMA|INSERT|BEGIN|\.|wf_\w+\(\S*\)$|\")|[{]")


def quoted():
    """What stands in `...` at the beginning of a paragraph or of an item of a list, up to its colon: texts, not calls."""
    text = re.sub(r"```.*?```", "", OURS, flags=re.DOTALL)
    for head in re.findall(r"^(?:- )?\**(`[^\n]*?)(?:: |:$|\*\*)", text, re.MULTILINE):
        for snippet in re.findall(r"`([^`]+)`", head):
            if " " in snippet and not CODE.search(snippet):
                yield snippet


@lru_cache
def messages():
    """The string literals of ext/, what is put in at run time as *."""
    found = set()
    for file in sorted((ROOT / "ext").rglob("*.cpp")):
        code = re.sub(r"^\s*//.*$", "", file.read_text(), flags=re.MULTILINE)
        for literal in re.findall(r'((?:"(?:[^"\\\n]|\\.)*"\s*)+)', code):
            text = "".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', literal)).replace('\\"', '"')
            text = re.sub(r"%[.*0-9l]*[a-zA-Z]", "*", text)
            if len(text.replace("*", "")) >= 12:
                found.add(text)
    return found


def could_be(a, b):
    """May two texts with gaps (*) be the same?"""
    at = {0}  # places in b that the text of a up to here may have reached

    def closure(places):
        reached = set(places)
        for place in places:
            while place < len(b) and b[place] == "*":
                place += 1
                reached.add(place)
        return reached

    at = closure(at)
    for letter in a:
        if letter == "*":
            at = set(range(min(at), len(b) + 1)) if at else set()
        else:
            at = closure({p + 1 for p in at if p < len(b) and b[p] == letter} | {p for p in at if p < len(b) and b[p] == "*"})
    return len(b) in at


def test_gaps_are_compared():
    assert could_be("workflow '*' is completed", "workflow '*' is *")
    assert could_be("a *", "a b *") and could_be("a * c", "a b c")
    assert not could_be("the file has *", "this file is *") and not could_be("ab", "abc") and could_be("ab*", "abc")


def test_the_page_quotes_texts():
    assert len(set(quoted())) >= 8


@pytest.mark.parametrize("snippet", sorted(set(quoted())))
def test_a_quoted_text_is_one_that_the_code_says(snippet):
    text = snippet.replace("...", "*") + "*"  # the beginning is enough
    assert any(could_be(text, message) for message in messages()), f"nothing in ext/ says: {snippet}"
