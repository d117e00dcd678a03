"""Where the extension is known to do otherwise than the reference: the one place that excuses it. An entry goes when its defect is mended."""


def avoided(case):
    """Whether a case is left out where many run in one file."""
    return False


def excused(case, difference):
    """Why this difference of this case is known, else None."""
    return None


def excused_mistake(mistakes, words):
    """Why wf_define may leave out one of several mistakes, else None."""
    return None
