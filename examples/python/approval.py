"""A person has to approve, within three days: the workflow waits as a row, without a process.

    python3 examples/python/approval.py start expense-7 4200       starts it
    python3 examples/python/approval.py answer expense-7 yes ann   answers, before or after it came to its wait
    python3 examples/python/approval.py work                       a worker: goes on with what has an answer, or is too old
"""
import os, sys

import wfext

app = wfext.App(os.environ.get("EXPENSES", "expenses.db"))

@app.transaction                                     # the row and the record of the step are one commit
def pay(tx: wfext.Transaction, expense: str, cents: int, by: str) -> None:
    tx.execute("CREATE TABLE IF NOT EXISTS paid(expense, cents, approved_by)")
    tx.execute("INSERT INTO paid VALUES(?, ?, ?)", (expense, cents, by))

@app.workflow
def expense(ctx: wfext.Context, cents: int) -> dict:
    answer = ctx.wait_signal("decision", timeout="3d", default={"ok": False})
    if answer["ok"]:
        pay(ctx.id, cents, answer["by"])
    return {"paid": answer["ok"]}

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["start", id, cents]: print(expense.options(id=id).start(int(cents)).id)
        case ["answer", id, word, by]: app.handle(id).signal("decision", {"ok": word == "yes", "by": by}, key=by)
        case _: app.run()
