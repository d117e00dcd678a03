// Steps of an attempt: what their functions return or fail with is recorded, once.

import { type Attempt, AttemptOver } from "./attempt.ts";
import type { Transaction } from "./database.ts";
import { Busy, EngineError, Mistake, NotJSON, NotOurs, StepFailed, TimeoutError, WrongState, errorValue, isOfTheMachine } from "./errors.ts";
import { scope } from "./scope.ts";
import { inStep } from "./tracing.ts";
import { dumps, loads } from "./values.ts";

export interface StepOptions {
  /** How often it is tried when it rejects; default 1. When they are used up, its error is its record, and every replay rejects with the same StepFailed. */
  attempts?: number;
  /** Seconds before the second try, doubled each time up to 5 minutes; default: the workflow's own. */
  backoff?: number;
  /** Whether an error is worth another try. */
  retryOn?: (error: unknown) => boolean;
  /** Seconds; then `signal` aborts, and the try has failed. */
  timeout?: number;
}
export interface EffectOptions extends StepOptions {
  /** Where it was begun and never finished: retry (default; the other side knows the key), hold (a person decides), fail. */
  inDoubt?: "retry" | "hold" | "fail";
  /** It is tried once its record is on Litestream's replica (app.sync), so that a file that was lost and restored knows of it. Where that cannot be had it is not tried, and the workflow is given back for a while. */
  durable?: boolean;
}
export interface StepContext {
  /** Aborts when the workflow is lost or cancelled, or the step's time is over. */
  signal: AbortSignal;
  /** The idempotency key: the same in every try. That of an effect is recorded before the effect is tried. */
  key: string;
}

/** How a step is done. */
export interface StepKind {
  kind: "step" | "effect" | "transaction";
  options: EffectOptions;
  work: (context: StepContext, tx: Transaction) => unknown;
}

const VALID: Record<keyof EffectOptions, (value: unknown) => boolean> = {
  attempts: (value) => Number.isInteger(value) && (value as number) >= 1,
  backoff: (value) => typeof value === "number" && value >= 0,
  retryOn: (value) => typeof value === "function",
  timeout: (value) => typeof value === "number" && value > 0,
  durable: (value) => typeof value === "boolean",
  inDoubt: (value) => ["retry", "hold", "fail"].includes(value as string),
};

/** The options, if they are such. */
export function checkOptions<T extends EffectOptions>(options: T): T {
  for (const [name, value] of Object.entries(options) as [keyof EffectOptions, unknown][]) {
    if (VALID[name] === undefined) throw new Mistake(`a step has no option ${JSON.stringify(name)}: ${Object.keys(VALID).join(", ")}`);
    if (value !== undefined && !VALID[name](value)) throw new Mistake(`the option ${name} of a step is ${typeof value === "string" ? JSON.stringify(value) : String(value)}: times are numbers of seconds, attempts a number from 1, retryOn a function, inDoubt retry, hold or fail, durable true or false`);
  }
  return options;
}

const LONG_PAUSE = 5;

/** The step's function has failed, not its record. */
class Failed extends Error {}

async function ofTheFunction<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Failed("", { cause: error });
  }
}

function inTime<T>(work: () => Promise<T>, step: string, seconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new TimeoutError(`the step ${step} took longer than ${seconds} s`)), seconds * 1000)));
  return Promise.race([work(), late]).finally(() => clearTimeout(timer));
}

export class Steps {
  readonly #attempt: Attempt;
  #pauses: number[] = []; // of steps that give the workflow back

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }

  run(name: string, kind: StepKind): Promise<unknown> {
    const inside = scope.getStore();
    if (inside?.step !== undefined && kind.kind === "step") return Promise.resolve(kind.work(inside.context!, undefined as never)); // inside of a step: a call like any other
    const step = this.#attempt.take(name);
    return this.#attempt.settling(step, () => this.#step(step, kind));
  }

  async #step(step: string, kind: StepKind): Promise<unknown> {
    const attempt: Attempt = this.#attempt;
    const outcome = attempt.outcome(step);
    if (outcome !== undefined) return outcome[0];
    attempt.begin();
    attempt.enters();
    try {
      for (;;) {
        const { signal } = attempt.abort;
        try {
          return loads(await inStep(attempt.claim, step, kind.kind, () => (kind.kind === "transaction" ? this.#transaction(step, kind) : this.#try(step, kind))));
        } catch (error) {
          if (error instanceof Failed) {
            // What it was told to leave has not failed: nothing is recorded, no try is used up, and the next attempt does it.
            if (signal.aborted) throw new AttemptOver(attempt.why ?? "told to end");
            await this.#failed(step, kind.options, error.cause);
          }
          else if (error instanceof NotOurs) attempt.ends("not ours");
          else if (!(error instanceof Busy)) throw error; // a transaction that met a locked file has done nothing
        }
      }
    } finally {
      attempt.leaves();
    }
  }

  async #try(step: string, { kind, options, work }: StepKind): Promise<unknown> {
    const attempt: Attempt = this.#attempt;
    let key: string | undefined;
    if (attempt.announces(kind)) {
      const begun = loads(await attempt.stands(() => attempt.call("wf_begin", step, attempt.options({ in_doubt: options.inDoubt ?? "retry" })))) as { key?: string; output?: unknown; error?: unknown } | null;
      if (begun === null) attempt.ends("held");
      if ("error" in begun) throw new StepFailed(step, begun.error);
      if ("output" in begun) return dumps(begun.output);
      key = begun.key;
      if (options.durable === true) await this.#barrier(step);
    }
    if (key === undefined && work.length > 0) key = (await attempt.call("wf_key", step)) as string; // it may be asked for
    const { timeout } = options;
    const signal = timeout === undefined ? attempt.abort.signal : AbortSignal.any([attempt.abort.signal, AbortSignal.timeout(timeout * 1000)]);
    const context = { signal, key: key ?? "" };
    const does = async (): Promise<unknown> => scope.run({ step, context }, () => work(context, undefined as never));
    const text = await ofTheFunction(async () => dumps(await (timeout === undefined ? does() : inTime(does, step, timeout)), `what ${step} returns`));
    return attempt.stands(() => attempt.call("wf_step", step, text, attempt.options()));
  }

  async #barrier(step: string): Promise<void> {
    const attempt: Attempt = this.#attempt;
    try {
      await attempt.workflow.app.barrier.join();
    } catch (error) {
      attempt.surroundings.log.error(`wfext: workflow ${attempt.claim.id}: the effect ${step} is not tried now, since its record is not on the replica:`, error);
      attempt.ends("the engine failed");
    }
  }

  #transaction(step: string, { work }: StepKind): Promise<unknown> {
    const attempt: Attempt = this.#attempt;
    const context = { signal: attempt.abort.signal, key: "" };
    const inTransaction = attempt.stands(() =>
      attempt.database.transaction(async (tx) => {
        const stands = (await tx.rows("SELECT wf_step(?, ?)", attempt.claim.token, step))[0]![0];
        if (stands !== null) return stands;
        const text = await ofTheFunction(async () => dumps(await scope.run({ step, context }, async () => work(context, tx)), `what ${step} returns`));
        return (await tx.rows("SELECT wf_step(?, ?, ?, ?)", attempt.claim.token, step, text, attempt.options()))[0]![0];
      }),
    );
    return inTransaction.catch((error: unknown): never => {
      if (error instanceof Failed || error instanceof EngineError) throw error; // also Busy: nothing of it has happened
      if (!isOfTheMachine(error)) throw new Failed("", { cause: error }); // it took too long, or could not commit
      attempt.surroundings.log.error(`wfext: workflow ${attempt.claim.id}: the transaction ${step} failed, and its attempt ends:`, error);
      attempt.ends("the engine failed");
    });
  }

  // Returns where the step is to be tried again.
  async #failed(step: string, options: StepOptions, error: unknown): Promise<void> {
    const attempt: Attempt = this.#attempt;
    const given = dumps(errorValue(error));
    const attempts = options.attempts ?? 1;
    if (attempts > 1 && !(error instanceof NotJSON) && (options.retryOn?.(error) ?? true)) {
      try {
        const counted = loads(await attempt.call("wf_fail", given, JSON.stringify({ step, keep: true, max_attempts: attempts }))) as { failures: number; pause: number };
        const pause = options.backoff === undefined ? counted.pause : Math.min(300, options.backoff * 2 ** Math.min(counted.failures - 1, 20));
        if (pause >= (attempt.surroundings.longestPause ?? LONG_PAUSE)) await this.#giveBack(pause);
        await new Promise((resolve) => setTimeout(resolve, pause * 1000));
        attempt.begin();
        return;
      } catch (refused) {
        if (!(refused instanceof WrongState)) throw refused; // else that was the last
      }
    }
    await attempt.stands(() => attempt.call("wf_step", step, given, attempt.options({ error: true })));
    throw new StepFailed(step, loads(given));
  }

  // What runs beside is recorded first; of several that want the same the shortest pause counts.
  async #giveBack(pause: number): Promise<never> {
    const attempt: Attempt = this.#attempt;
    this.#pauses.push(pause);
    while (attempt.inFlight > this.#pauses.length) await new Promise((resolve) => setTimeout(resolve, 20));
    attempt.begin();
    await attempt.call("wf_release", JSON.stringify({ delay: Math.min(...this.#pauses) }));
    attempt.ends("given back");
  }
}
