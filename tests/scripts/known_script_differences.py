"""Where the extension is known to do otherwise than the reference: the one place that excuses it. An entry goes when its defect is mended."""


def asks_again(case):
    return any("when" in step and "while" in step for step in case.definition["steps"])


def awaits_in_a_loop(case):
    return any("await" in step and "while" in step for step in case.definition["steps"])


def avoided(case):
    """Whether a case is left out where many run in one file."""
    return asks_again(case) or awaits_in_a_loop(case)


def excused(case, difference):
    """Why this difference of this case is known, else None."""
    words = str(difference)
    if "failures" in words and asks_again(case):
        return "B14: when is asked before each iteration"
    if case.ending == "mended" and ("UNIQUE" in words or "was recorded before" in words):
        return "B15: a retry does not wait for all that was undone"
    if case.ending == "mended" and "for_each" in str(case.definition):
        return "B16: an item that failed is done again as if it were the whole step"
    if "taken by no await" in words and awaits_in_a_loop(case):
        return "B17: the record of a loop's signals"
    return None


def excused_mistake(mistakes, text):
    """Why wf_define may leave out one of several mistakes."""
    if len(mistakes) > 1:
        return "B1: a mistake of shape hides unknown parameters elsewhere"
    return None
