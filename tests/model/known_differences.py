"""Where the extension is known to break the contract: the one place that excuses it. An entry goes when its defect is mended."""


def other_code(function, expected, actual):
    """Whether it is known that the extension answers this instead of what is expected."""
    return False


def turn_is_open(model):
    """The model does not always know which of two partitions comes first, and learns it from what is claimed. What a claim ends, or puts back to wait,
    instead of taking it, would tell it nothing."""
    live = [w for w in model.state.workflows.values() if not w.over and w.status != "paused" and not w.manual and w.due is not None]
    beside = [w for w in live if any(o.partition_key[:2] == w.partition_key[:2] and o.partition != w.partition for o in live)]
    return any(w.claimed and w.lost + 1 >= model.max_attempts(w) or w.status == "waiting" and w.wait.kind in ("join", "step") for w in beside)


def avoided(model, function, args):
    """Whether it is known that the two go different ways after this call, which is left out then."""
    if function == "wf_claim":
        return turn_is_open(model)
    if function != "wf_retry":
        return False
    # 13: a join that was woken at a time to come, whose workflow is then retried and ends again earlier, keeps the later time: it is no longer
    # among those who wait for that end. It takes clocks that disagree, and those may delay things.
    waiting = [w for w in model.state.workflows.values() if w.real == "waiting" and w.wait.kind == "join" and w.due is not None]
    return any(w.due > model.clock for w in waiting)
