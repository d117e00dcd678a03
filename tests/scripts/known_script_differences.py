"""Where the extension is known to do otherwise than the reference: the one place that excuses it. An entry goes when its defect is mended."""

# B6: wf_run with a small budget may return 0 although something is runnable.
BUDGET_MAY_DO_NOTHING = True

# B26: wf_check of a workflow whose wait was decided by a wf_run that ended there, at its limit.
CHECK_MISJUDGES_A_PAUSE = True

# Kinds of test_cost_of_items that walk all items.
COSTS_GROW = {"task": "B25: the end of a child looks at all waiting steps of the parent"}


def avoided(case):
    """Whether a case is left out where many run in one file."""
    return False


def excused(case, difference):
    """Why this difference of this case is known, else None."""
    if case.ending == "mended" and "was recorded before" in str(difference):
        return "B15: a loop or fan-out that failed goes on before what was undone above it is done again"
    return None


def excused_mistake(mistakes, words):
    """Why wf_define may leave out one of several mistakes, else None."""
    parameters = {"unheard_of", "zz_other", "?", "item", "iteration", "error"} & {word for _, words in mistakes for word in words}
    return "B1: a mistake of shape hides wrong parameters elsewhere" if len(mistakes) > 1 and parameters else None
