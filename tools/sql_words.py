"""Prints the words that cmake/EmbedSql.cmake puts one byte for: python3 tools/sql_words.py > cmake/sql_words.txt

Takes the stretch of text that saves the most, again and again, of what is left when those before it have been replaced (also in each other). To be run when sql/ has
grown by a lot; any list of words gives the same statements, only longer or shorter.
"""

import re
from collections import Counter
from pathlib import Path

WORDS = 128
LONGEST = 12  # in characters and words: a word may be made of others
ROOM = 3  # bytes that a word takes beside its text
END = "\0"
FORBIDDEN = re.compile(r"[\0\1\n;\[\]\\]")  # in CMake's lists; \1 is a fragment


def statements():
    """As EmbedSql.cmake sees them: without comments and blanks at the edges of lines."""
    for file in sorted((Path(__file__).parent.parent / "sql").glob("*/*.sql")):
        for part in re.split(r"\n-- name:", "\n" + file.read_text(encoding="utf-8"))[1:]:
            text = "\n" + part.partition("\n")[2] + "\n"
            text = re.sub(r"\n[ \t]*--[^\n]*|[ \t]+-- [^\n]*", "", text)
            text = re.sub(r"[ \t]*\n\s*", "\n", text).strip()
            yield re.sub(r"\{\{[a-z_]+\}\}", "\1", text)


def saves(word, count):
    return (len(word) - 1) * count - len(word) - ROOM


def chosen():
    text = END.join(statements())
    words = []
    while len(words) < WORDS:
        counts = Counter(text[i : i + n] for n in range(2, LONGEST + 1) for i in range(len(text) - n + 1))
        best = sorted(((saves(w, c), w) for w, c in counts.items() if c > 2 and not FORBIDDEN.search(w)), reverse=True)
        # Some at once, as long as they do not overlap: to count takes seconds.
        added = 0
        for expected, word in best[:40]:
            if saves(word, text.count(word)) < 0.8 * expected or len(words) == WORDS or added == 3:
                continue
            text = text.replace(word, chr(0x100 + len(words))) + END + word
            words.append(word)
            added += 1
    return words


def spelled(word, words):
    return "".join(c if ord(c) < 0x100 else spelled(words[ord(c) - 0x100], words) for c in word)


if __name__ == "__main__":
    found = chosen()
    print("# Made by tools/sql_words.py, and read by EmbedSql.cmake: each between two bars, in the order in which they are replaced.")
    for entry in found:
        print("|%s|" % spelled(entry, found))
