"""Where the extension is known to do otherwise than the reference: the one place that excuses it. An entry goes when its defect is mended."""


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
