"""pytest puts each folder of tests on the path: of two files of one name it would collect the first alone."""
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_two_files_of_tests_share_a_name():
    names = Counter(file.name for file in [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("bindings/test_*.py"), *ROOT.glob("bindings/*/tests/test_*.py")])
    assert len(names) > 100
    assert [name for name, times in names.items() if times > 1] == []
