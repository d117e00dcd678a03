"""Where the extension is known to break the contract: the one place that excuses it. An entry goes when its defect is mended."""


def other_code(function, expected, actual):
    """Whether it is known that the extension answers this instead of what is expected."""
    return False


def avoided(model, function, args):
    """Whether it is known that the two go different ways after this call, which is left out then."""
    if function != "wf_retry":
        return False
    # 13: a join that was woken at a time to come, whose workflow is then retried and ends again earlier, keeps the later time: it is no longer
    # among those who wait for that end. It takes clocks that disagree, and those may delay things.
    waiting = [w for w in model.state.workflows.values() if w.real == "waiting" and w.wait.kind == "join" and w.due is not None]
    return any(w.due > model.clock for w in waiting)
