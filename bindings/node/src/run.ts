// How the code of an attempt is run, and what becomes of its end.

import type { App } from "./app.ts";
import { type Attempt, AttemptOver, type StepRecord } from "./attempt.ts";
import { Context } from "./context.ts";
import { Busy, NotOurs, StepFailed, errorValue, isFinal } from "./errors.ts";
import { scope } from "./scope.ts";
import { inAttempt } from "./tracing.ts";
import { dumps, loads } from "./values.ts";

const TRIES = 8; // of a report that meets a locked file

const QUIET_TURNS = 3; // of the loop, for the code that what is recorded wakes
const AFTER_TROUBLE = 5; // seconds before a workflow is tried again whose attempt has met a full disk, or the like

type Ended = { output: unknown } | { error: unknown } | { over: string };

/** All that is recorded of a workflow. */
export async function readSteps(app: App, id: string): Promise<StepRecord[]> {
  const rows = await app.database.rows("SELECT name, kind, status, output, error FROM wf_steps WHERE workflow_id = ? ORDER BY seq", id);
  return rows.map(([name, kind, status, output, error]) => ({ name: String(name), kind: String(kind), status: String(status), output: loads(output), error: loads(error) }));
}

/** Runs the attempt and reports how it has ended. Never rejects. */
export async function runClaim(attempt: Attempt): Promise<void> {
  try {
    const ended = await inAttempt(attempt.claim, () => runCode(attempt), (end) => ("error" in end ? end.error : undefined));
    if ("output" in ended) await report(attempt, "wf_complete", dumps(ended.output, `what ${attempt.claim.name} returns`));
    else if ("error" in ended) await failed(attempt, ended.error);
    else if (ended.over === "stopping") await report(attempt, "wf_release");
    else if (ended.over === "not ours") await giveBack(attempt);
    else if (ended.over === "the engine failed") await report(attempt, "wf_release", JSON.stringify({ delay: AFTER_TROUBLE }));
  } catch (error) {
    await failed(attempt, error);
  }
}

// It was paused or cancelled: nobody is to wait for the end of its lease. What is in flight is recorded first.
async function giveBack(attempt: Attempt): Promise<void> {
  await attempt.idle();
  await report(attempt, "wf_release");
}

async function failed(attempt: Attempt, error: unknown): Promise<void> {
  if (error instanceof NotOurs || error instanceof AttemptOver) return;
  attempt.surroundings.log.warn(`wfext: workflow ${attempt.claim.id} (${attempt.claim.name}), attempt ${attempt.claim.attempt} failed: ${String(error)}`);
  await report(attempt, "wf_fail", dumps(errorValue(error)), JSON.stringify(isFinal(error) ? { retry: false } : {}));
}

async function report(attempt: Attempt, name: string, ...params: unknown[]): Promise<void> {
  for (let tries = 0; tries < TRIES; ++tries) {
    try {
      await attempt.database.call(name, attempt.claim.token, ...params);
      return;
    } catch (error) {
      if (error instanceof NotOurs) return;
      if (!(error instanceof Busy)) {
        attempt.surroundings.log.error(`wfext: workflow ${attempt.claim.id}: its end could not be recorded, it will be tried again:`, error);
        return;
      }
    }
  }
}

async function settled(work: () => Promise<unknown>): Promise<Ended> {
  try {
    return { output: await work() };
  } catch (error) {
    return { error };
  }
}

// The code, or in the second phase reads it back and undoes what it says. Settles when the code has ended, or the attempt is over before that.
async function runCode(attempt: Attempt): Promise<Ended> {
  const over = attempt.over.then((why): Ended => ({ over: why }));
  const context = new Context(attempt);
  const code = async (): Promise<unknown> => {
    attempt.wakes();
    return attempt.workflow.fn(context, attempt.claim.input as never);
  };
  const ended = await Promise.race([over, scope.run({}, () => settled(code))]);
  if (attempt.claim.ending === null) return codeEnded(attempt, ended);
  if (attempt.why !== undefined && attempt.why !== "read back") return { over: attempt.why };
  if (attempt.why !== undefined) await readBack(attempt);
  const lost = new Promise<Ended>((resolve) => attempt.beginUndo((why) => resolve({ over: why })));
  return Promise.race([lost, scope.run({}, () => settled(() => undo(attempt)))]);
}

// What is recorded beside has its turn: it may say what is to be undone.
async function readBack(attempt: Attempt): Promise<void> {
  for (let quiet = 0; quiet < QUIET_TURNS; quiet = attempt.turns.isBusy ? 0 : quiet + 1) await new Promise((resolve) => setImmediate(resolve));
}

// What the code rejects with once it was told to leave is no failure of the workflow.
async function codeEnded(attempt: Attempt, ended: Ended): Promise<Ended> {
  const told = attempt.isToldToEnd;
  if (!("over" in ended)) await attempt.drain();
  if (attempt.why !== undefined) return { over: attempt.why };
  return "error" in ended && told ? { over: "stopping" } : ended;
}

async function undo(attempt: Attempt): Promise<null> {
  let first: unknown;
  for (const step of attempt.undo.reverse()) {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error;
      first ??= error; // the others are undone all the same
    }
  }
  if (first !== undefined) throw first;
  return null;
}
