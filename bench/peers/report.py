"""The tables: figures beside ours, measured from the same language."""

TITLES = {
    "jobs": "Whole jobs, one process: start, claim, three recorded steps, complete",
    "many": "The same, eight processes",
    "wake": "From another process's enqueue to the first line of the job",
    "kill": "One of two workers is killed in the second of three steps",
}


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(ours, theirs):
    """How many times as much ours does; below 1 it does less."""
    return "" if not ours or not theirs else f" ({number(ours / theirs)})"


def time(seconds):
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def table(head, rows, markdown):
    if markdown:
        return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (head, *rows))


def jobs_rows(rows, chosen, many):
    ours = {s.host: rows.get(s.key, {}) for s in chosen if s.name == "wfext"}
    for s in chosen:
        row = rows.get(s.key)
        if row is None:
            continue
        if "lacks" in row:
            yield [s.label, *[row["lacks"]] + [""] * (5 if many else 1)]
            continue
        cells = [s.label]
        for synchronous in ("NORMAL", "FULL"):
            it = row.get(synchronous, {})
            if "lacks" in it:
                cells += [it["lacks"]] + [""] * (2 if many else 0)
                continue
            base = ours.get(s.host, {}).get(synchronous, {}).get("jobs_per_second")
            cells.append(number(it["jobs_per_second"]) + ("" if s.name == "wfext" else ratio(base, it["jobs_per_second"])))
            if many:
                cells += [time(it["longest"]), f"{it['failures']}" + (f": {it['error']}" if it["failures"] else "")]
        yield cells


def wake_rows(rows, chosen):
    ours = {s.host: rows.get(s.key, {}) for s in chosen if s.name == "wfext"}
    for s in chosen:
        row = rows.get(s.key)
        if row is None:
            continue
        if "lacks" in row:
            yield [s.label, row["lacks"], "", ""]
            continue
        base = ours.get(s.host, {}).get("p50")
        yield [s.label, f"{number(row['p50'])} ms" + ("" if s.name == "wfext" else ratio(row["p50"], base)), f"{number(row['p99'])} ms",
               f"{row['idle_percent']:.2f} %" + (f"; {row['failures']} of {row['failures'] + row['n']} enqueues failed: {row['error']}" if row["failures"] else "")]


def kill_rows(rows, chosen):
    for s in chosen:
        row = rows.get(s.key)
        if row is None:
            continue
        if "waited" not in row:
            yield [s.label, row["lacks"], "", ""]
            continue
        after = row.get("after_restart")
        goes_on = f"{row['seconds']:.1f} s" if "seconds" in row else (
            f"not by the other one, within {row['waited']} s; {after:.1f} s after the killed process was started again" if after is not None
            else f"not within {row['waited']} s, nor after the killed process was started again")
        again = s.lacks.get("steps") or ("no" if row["first_step_done"] == 1 else f"yes, {row['first_step_done']} times")
        yield [s.label, goes_on, again, row["lease"]]


def text(results, chosen, markdown):
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results["versions"].items()))
    out = [f"{versions}." + (" Tiny sizes: no figures." if results["quick"] else "")]
    for name, title in TITLES.items():
        rows = results.get(name)
        if rows is None:
            continue
        if name == "jobs":
            head, body = ["jobs a second (wfext does so many times as many)", "`NORMAL`", "`FULL`"], jobs_rows(rows, chosen, False)
        elif name == "many":
            head = ["jobs a second (wfext does so many times as many)", "`NORMAL`", "longest job", "failed", "`FULL`", "longest job", "failed"]
            body = jobs_rows(rows, chosen, True)
        elif name == "wake":
            head, body = ["", "median (so many times ours)", "99 of 100", "a worker that waits, of a core"], wake_rows(rows, chosen)
        else:
            head, body = ["", "its work goes on after", "was the recorded step done again", "by"], kill_rows(rows, chosen)
        out.append(("**" + title + "**" if markdown else title) + "\n\n" + table(head, list(body), markdown))
    return "\n\n".join(out)
