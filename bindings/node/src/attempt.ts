// One attempt at a workflow: from a claim to its end, its suspension, or its loss; and the context that its code is given.
//
// A wait does not hold the attempt. Once nothing of it is in flight any more, what it waits for goes to the engine, and its promises never settle: the workflow is a row until what it waits
// for is there, and is then run again from its beginning. (A rejection would be swallowed by Promise.allSettled; so `finally` blocks do not run at a suspension.)

import { AsyncLocalStorage } from "node:async_hooks";
import type { Workflow } from "./app.ts";
import type { Database, Transaction } from "./database.ts";
import { AlreadySuspended, Busy, EngineError, Nondeterminism, NotJSON, NotOurs, OutsideWorkflow, StepFailed, TimeoutError, WfextError, WorkflowCancelled, WorkflowFailed, WrongState, errorValue } from "./errors.ts";
import { Flight, Names, checkName } from "./names.ts";
import { type Json, dumps, loads } from "./values.ts";

export type Duration = number | string;

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
}
export interface StepContext {
  /** Aborts when the workflow is lost or cancelled, or the step's time is over. */
  signal: AbortSignal;
}
export interface EffectContext extends StepContext {
  /** The idempotency key: the same in every try. */
  key: string;
}

export interface Claim {
  token: string;
  id: string;
  name: string;
  input: unknown;
  attempt: number;
  ending: string | null;
  headers: Record<string, unknown> | null;
  steps: StepRecord[] | null;
  steps_more: boolean;
}
export interface StepRecord {
  name: string;
  kind: string;
  status: string;
  output?: unknown;
  error?: unknown;
}

/** A child workflow. */
export interface Child<T = unknown> {
  readonly id: string;
  readonly workflow: string;
  readonly __type?: T;
}

interface Wait {
  step: string;
  kinds: string[];
  function: string;
  params: unknown[];
  options: Record<string, unknown>;
  meaning: (answer: unknown) => unknown;
}
interface OpenWait extends Wait {
  kept: boolean;
  done: boolean;
  resolve: (answer: unknown) => void;
  reject: (error: unknown) => void;
}
interface Scope {
  names: Names | undefined;
  flight?: Flight;
  inStep: boolean;
}

/** Thrown to nobody: the attempt is over, and what its code awaits never settles. */
export class AttemptOver extends Error {}

const QUIET_TURNS = 3; // of the loop in which nothing is in flight before a wait goes to the engine
const LONG_PAUSE = 5; // seconds between two tries of a step; a longer one gives the workflow back
const scope = new AsyncLocalStorage<Scope>();

/** The step's function has failed, not its record. */
class Failed extends Error {}

async function ofTheFunction<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Failed("", { cause: error });
  }
}

/** The state of an attempt. */
export class Attempt {
  readonly claim: Claim;
  readonly workflow: Workflow<never, unknown>;
  readonly database: Database;
  abort = new AbortController();
  flight = new Flight();
  names = new Names(this.flight);
  readonly undo: (() => Promise<unknown>)[] = [];
  readonly over: Promise<string>;
  longestPause = LONG_PAUSE;
  replaysOnly: boolean;
  why: string | undefined;
  #records: Map<string, StepRecord>;
  #used = new Set<string>();
  #lease: number;
  #inFlight = 0;
  #waits: OpenWait[] = [];
  #looking = false;
  #stopping = false;
  #pauses: number[] = []; // of steps that give the workflow back
  #offsets = new Map<string, number>();
  #saidCleanup = false;
  #end!: (why: string) => void;

  constructor(database: Database, workflow: Workflow<never, unknown>, claim: Claim, records: StepRecord[], lease: number) {
    this.database = database;
    this.workflow = workflow;
    this.claim = claim;
    this.#records = new Map(records.map((record) => [record.name, record]));
    this.#lease = lease;
    this.replaysOnly = claim.ending !== null; // in the second phase the code is only read back, to find what is to be undone
    this.over = new Promise((resolve) => (this.#end = resolve));
  }

  /** Ends the attempt: what its code awaits never settles. */
  ends(why: string): never {
    this.why ??= why;
    this.#end(this.why);
    if (!this.abort.signal.aborted) this.abort.abort(new WfextError(`the attempt is over: ${this.why}`));
    throw new AttemptOver(this.why);
  }

  /** The workflow is not ours any more, or the worker stops. */
  lost(why = "not ours"): void {
    try {
      this.ends(why);
    } catch {
      // who awaits `over` knows
    }
  }

  /** The worker stops: the code is told, and what is in flight is recorded before the attempt ends. */
  stop(): void {
    this.#stopping = true;
    this.abort.abort(new WfextError("the worker stops"));
    if (this.#inFlight === 0) this.lost("stopping");
  }

  /** What is done in the second phase, after the code was read back: another beginning, which may be over in its turn. */
  beginUndo(): void {
    this.why = undefined;
    this.replaysOnly = false;
    this.abort = new AbortController();
    this.flight = new Flight(); // what was cut off in the code is in flight for ever
    this.names = new Names(this.flight);
  }

  /** Called when the second phase is over before its end. */
  onLost(told: (why: string) => void): void {
    this.#end = told;
  }

  // What code awaits: where the attempt is over, it waits for ever.
  guard<T>(work: Promise<T>): Promise<T> {
    return work.catch((error: unknown) => {
      if (error instanceof AttemptOver) return new Promise<never>(() => undefined);
      throw error;
    });
  }

  begin(): void {
    if (this.why !== undefined) this.ends(this.why);
    if (this.#stopping && this.#inFlight === 0) this.ends("stopping");
    if (this.#stopping) throw new AttemptOver("stopping");
    if (this.replaysOnly) this.ends("read back");
  }

  // Names and records

  take(name: string): string {
    const inside = scope.getStore();
    if (inside?.inStep === true) throw new OutsideWorkflow(`the step ${name} is called inside of another step: call the function itself`);
    const taken = (inside?.names ?? this.names).take(name);
    this.#used.add(taken);
    return taken;
  }

  get hasUnused(): boolean {
    return [...this.#records.keys()].some((name) => !this.#used.has(name));
  }

  recorded(step: string, kinds: string[]): StepRecord | undefined {
    const record = this.#records.get(step);
    if (record === undefined) return undefined;
    if (!kinds.includes(record.kind)) {
      throw new Nondeterminism(`WF_NONDETERMINISM: the step ${JSON.stringify(step)} of ${JSON.stringify(this.claim.id)} is recorded as ${record.kind}, and called as ${kinds[0]}`, "WF_NONDETERMINISM");
    }
    return record.status === "done" || record.status === "error" ? record : undefined;
  }

  // Calls of the engine

  options(more: Record<string, unknown> = {}): string | null {
    if (this.workflow.undoes && !this.#saidCleanup && this.claim.ending === null) {
      this.#saidCleanup = true;
      more["cleanup"] = true;
    }
    return Object.keys(more).length > 0 ? JSON.stringify(more) : null;
  }

  /** A call; again while the file is locked and the lease lasts, since what it records has happened. */
  async call(name: string, ...params: unknown[]): Promise<unknown> {
    const until = Date.now() + this.#lease * 1000;
    for (;;) {
      try {
        return await this.database.call(name, this.claim.token, ...params);
      } catch (error) {
        if (error instanceof NotOurs) this.ends(error instanceof AlreadySuspended ? "suspended" : "not ours");
        if (!(error instanceof Busy) || Date.now() >= until) throw error;
      }
    }
  }

  /** A call that keeps the waits of the attempt from being handed over. */
  async record(name: string, ...params: unknown[]): Promise<unknown> {
    this.#inFlight += 1;
    try {
      return await this.call(name, ...params);
    } finally {
      this.#settled();
    }
  }

  // Steps

  step(name: string, kind: "step" | "effect" | "transaction", options: EffectOptions, work: (context: EffectContext, tx: Transaction) => unknown): Promise<unknown> {
    const step = this.take(name);
    const flight = scope.getStore()?.flight ?? this.flight;
    flight.begins();
    return this.guard(
      this.#step(step, kind, options, work).then(
        async (value) => (await flight.settles(), value),
        async (error: unknown) => {
          await flight.settles();
          throw error;
        },
      ),
    );
  }

  async #step(step: string, kind: string, options: EffectOptions, work: (context: EffectContext, tx: Transaction) => unknown): Promise<unknown> {
    const record = this.recorded(step, ["step", "effect", "begin"]);
    if (record?.status === "error") throw new StepFailed(step, record.error);
    if (record !== undefined) return record.output ?? null;
    this.begin();
    this.#inFlight += 1;
    try {
      for (;;) {
        try {
          return loads(kind === "transaction" ? await this.#transaction(step, work) : await this.#try(step, kind, options, work));
        } catch (error) {
          if (error instanceof Failed) await this.#failed(step, options, error.cause);
          else if (error instanceof NotOurs) this.ends("not ours");
          else if (!(error instanceof Busy)) throw error; // a transaction that met a locked file has done nothing
        }
      }
    } finally {
      this.#settled();
    }
  }

  async #try(step: string, kind: string, options: EffectOptions, work: (context: EffectContext, tx: Transaction) => unknown): Promise<unknown> {
    let key = "";
    if (kind === "effect") {
      const begun = loads(await this.call("wf_begin", step, this.options({ in_doubt: options.inDoubt ?? "retry" }))) as { go?: boolean; key?: string; output?: unknown; error?: unknown } | null;
      if (begun === null) this.ends("held");
      if ("error" in begun) throw new StepFailed(step, begun.error);
      if ("output" in begun) return dumps(begun.output);
      key = begun.key ?? "";
    }
    const signals = [this.abort.signal];
    if (options.timeout !== undefined) signals.push(AbortSignal.timeout(options.timeout * 1000));
    const signal = AbortSignal.any(signals);
    const late = new Promise<never>((_, reject) => {
      if (options.timeout !== undefined) signals[1]!.addEventListener("abort", () => reject(new TimeoutError(`the step ${step} took longer than ${options.timeout} s`)), { once: true });
    });
    const text = await ofTheFunction(async () =>
      dumps(await scope.run({ names: undefined, inStep: true }, () => Promise.race([Promise.resolve().then(() => work({ key, signal }, undefined as never)), late])), `what ${step} returns`),
    );
    return this.call("wf_step", step, text, this.options());
  }

  #transaction(step: string, work: (context: EffectContext, tx: Transaction) => unknown): Promise<unknown> {
    const said = this.#saidCleanup;
    const options = this.options();
    this.#saidCleanup = said; // it may be rolled back: the next record says it again
    const inTransaction = this.database.transaction(async (tx) => {
      const stands = (await tx.rows("SELECT wf_step(?, ?)", this.claim.token, step))[0]![0];
      if (stands !== null) return stands;
      const text = await ofTheFunction(async () => dumps(await scope.run({ names: undefined, inStep: true }, async () => work({ key: "", signal: this.abort.signal }, tx)), `what ${step} returns`));
      return (await tx.rows("SELECT wf_step(?, ?, ?, ?)", this.claim.token, step, text, options))[0]![0];
    });
    return inTransaction.catch((error: unknown) => {
      if (error instanceof WfextError && !(error instanceof EngineError)) throw new Failed("", { cause: error }); // it took too long
      throw error;
    });
  }

  // Returns where the step is to be tried again.
  async #failed(step: string, options: StepOptions, error: unknown): Promise<void> {
    const given = dumps(errorValue(error));
    const attempts = options.attempts ?? 1;
    if (attempts > 1 && !(error instanceof NotJSON) && (options.retryOn?.(error) ?? true)) {
      try {
        const counted = loads(await this.call("wf_fail", given, JSON.stringify({ step, keep: true, max_attempts: attempts }))) as { failures: number; pause: number };
        const pause = options.backoff === undefined ? counted.pause : Math.min(300, options.backoff * 2 ** Math.min(counted.failures - 1, 20));
        if (pause >= this.longestPause) {
          this.#pauses.push(pause);
          while (this.#inFlight > this.#pauses.length) await new Promise((resolve) => setTimeout(resolve, 20)); // what runs beside is recorded first
          if (this.why === undefined) await this.call("wf_release", JSON.stringify({ delay: Math.min(...this.#pauses) }));
          this.ends("given back");
        }
        await new Promise((resolve) => setTimeout(resolve, pause * 1000));
        this.begin();
        return;
      } catch (refused) {
        if (!(refused instanceof WrongState)) throw refused; // else that was the last
      }
    }
    await this.call("wf_step", step, given, this.options({ error: true }));
    throw new StepFailed(step, loads(given));
  }

  // Waits

  #settled(): void {
    this.#inFlight -= 1;
    if (this.#inFlight > 0) return;
    if (this.#stopping) this.lost("stopping");
    else if (this.#waits.length > 0) this.#look();
  }

  #look(): void {
    if (this.#looking) return;
    this.#looking = true;
    const quiet = (turns: number): void => {
      if (this.#inFlight > 0 || this.why !== undefined) this.#looking = false;
      else if (turns > 0) setImmediate(quiet, turns - 1);
      else void this.#handOver();
    };
    setImmediate(quiet, QUIET_TURNS);
  }

  // Nothing is in flight: what is waited for goes to the engine. A single wait suspends the workflow itself; several are opened beside each other, and then the claim is given back.
  async #handOver(): Promise<void> {
    const waits = this.#waits.filter((wait) => !wait.done);
    const single = waits.length === 1 && !waits[0]!.kept;
    try {
      const answers = await Promise.allSettled(waits.map((wait) => this.call(wait.function, wait.step, ...wait.params, JSON.stringify(single ? wait.options : { ...wait.options, keep: true }))));
      let satisfied = waits.length === 0;
      answers.forEach((answer, i) => {
        const wait = waits[i]!;
        wait.kept = !single;
        if (answer.status === "fulfilled" && answer.value === null) return;
        satisfied = wait.done = true;
        if (answer.status === "fulfilled") wait.resolve(wait.function === "wf_sleep" ? answer.value : loads(answer.value));
        else wait.reject(answer.reason);
      });
      this.#waits = this.#waits.filter((wait) => !wait.done);
      this.#looking = false;
      if (satisfied || this.why !== undefined) {
        if (this.why === undefined && this.#inFlight === 0 && this.#waits.length > 0) this.#look(); // what was satisfied has its turn first
        return;
      }
      if (!single) {
        if (this.#inFlight > 0) return; // something has begun meanwhile: its end asks again
        await this.call("wf_release");
      }
      this.lost("suspended");
    } catch (error) {
      this.#looking = false;
      for (const wait of waits) wait.reject(error);
    }
  }

  wait(wait: Wait): Promise<unknown> {
    const flight = scope.getStore()?.flight ?? this.flight;
    flight.begins();
    const settled = this.guard(this.#wait(wait)).then(
      async (value) => (await flight.settles(), value),
      async (error: unknown) => {
        await flight.settles();
        throw error;
      },
    );
    return settled;
  }

  #wait(wait: Wait): Promise<unknown> {
    const waiting = async (): Promise<unknown> => {
      const record = this.recorded(wait.step, wait.kinds);
      if (record !== undefined) return wait.meaning(record.output ?? null);
      this.begin();
      const answer = await new Promise((resolve, reject) => {
        this.#waits.push({ ...wait, kept: false, done: false, resolve, reject });
        if (this.#inFlight === 0) this.#look();
      });
      return wait.meaning(answer);
    };
    return waiting();
  }

  offset(stream: string): number {
    const offset = this.#offsets.get(stream) ?? 0;
    this.#offsets.set(stream, offset + 1);
    return offset;
  }

  branch<T>(prefix: string, work: () => Promise<T>): Promise<T> {
    const flight = new Flight();
    return scope.run({ names: new Names(flight, prefix), flight, inStep: false }, work);
  }
}


/** What a workflow's code is given. */
export class Context {
  #attempt: Attempt;

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }

  /** The workflow's id. */
  get id(): string {
    return this.#attempt.claim.id;
  }
  get name(): string {
    return this.#attempt.claim.name;
  }
  /** Which attempt this is, from 1. */
  get attempt(): number {
    return this.#attempt.claim.attempt;
  }
  /** The handle of this claim, for calls of the engine by hand. */
  get token(): string {
    return this.#attempt.claim.token;
  }
  get headers(): Record<string, unknown> {
    return this.#attempt.claim.headers ?? {};
  }
  /** Aborts when the attempt is over: the workflow waits, is cancelled, paused, taken by another, or the worker stops. */
  get signal(): AbortSignal {
    return this.#attempt.abort.signal;
  }

  /** Does it once: what it returns is recorded, and read back in every replay. */
  step<T>(name: string, work: (context: StepContext) => T | Promise<T>, options: StepOptions = {}): Promise<Json<T>> {
    return this.#attempt.step(checkName(name), "step", options, work) as Promise<Json<T>>;
  }

  /** A step with an effect outside, which is recorded before it is tried, too. */
  effect<T>(name: string, work: (context: EffectContext) => T | Promise<T>, options: EffectOptions = {}): Promise<Json<T>> {
    return this.#attempt.step(checkName(name), "effect", options, work) as Promise<Json<T>>;
  }

  /** A step that writes rows of the application's: they and its record are one commit. Within a second; only `tx` is in the transaction. */
  transaction<T>(name: string, work: (tx: Transaction) => Promise<T>): Promise<Json<T>> {
    return this.#attempt.step(checkName(name), "transaction", {}, (_, tx) => work(tx)) as Promise<Json<T>>;
  }

  /** Seconds, a text such as "7d", or until a time. Survives a restart; holds nothing. */
  sleep(time: Duration | Date, name = "sleep"): Promise<void> {
    const step = this.#attempt.take(checkName(name));
    return this.#attempt.wait({ step, kinds: ["sleep"], function: "wf_sleep", params: [time instanceof Date ? time.toISOString() : time], options: {}, meaning: () => undefined }) as Promise<void>;
  }

  /** The payload of the earliest signal of the name; undefined after the timeout. (A payload of null is no timeout.) */
  waitSignal<T = unknown>(name: string, options: { timeout?: Duration } = {}): Promise<T | undefined> {
    const step = this.#attempt.take(checkName(name));
    return this.#attempt.wait({ step, kinds: ["await"], function: "wf_await", params: [name, options.timeout ?? null], options: {}, meaning: payload }) as Promise<T | undefined>;
  }

  /** The payload of an event, which is stated once for everyone; undefined after the timeout. */
  waitEvent<T = unknown>(event: string, options: { timeout?: Duration; name?: string } = {}): Promise<T | undefined> {
    const step = this.#attempt.take(checkName(options.name ?? event));
    return this.#attempt.wait({ step, kinds: ["await_event", "event"], function: "wf_await_event", params: [event, options.timeout ?? null], options: {}, meaning: payload }) as Promise<T | undefined>;
  }

  /** Waits in line for a share of a rate (app.rate). */
  acquire(rate: string, options: { amount?: number; key?: string; timeout?: Duration; name?: string } = {}): Promise<void> {
    const step = this.#attempt.take(checkName(options.name ?? rate));
    const { key, timeout } = options;
    const given = { ...(key === undefined ? {} : { key }), ...(timeout === undefined ? {} : { timeout }) };
    const meaning = (answer: unknown): undefined => {
      if ((answer as { timeout?: boolean }).timeout === true) throw new TimeoutError(`there was no share of ${JSON.stringify(rate)} in time`);
      return undefined;
    };
    return this.#attempt.wait({ step, kinds: ["acquire"], function: "wf_acquire", params: [rate, options.amount ?? 1], options: given, meaning }) as Promise<void>;
  }

  /** Starts a child, once. */
  start<I, R>(workflow: Workflow<I, R> | string, input: I, options: Record<string, unknown> = {}): Promise<Child<Json<R>>> {
    const name = typeof workflow === "string" ? workflow : workflow.name;
    const given = typeof workflow === "string" ? options : { queue: workflow.queue, ...(workflow.undoes ? { cleanup: true } : {}), ...options };
    const step = this.#attempt.take(name);
    const starting = async (): Promise<Child<Json<R>>> => {
      const record = this.#attempt.recorded(step, ["spawn"]);
      if (record !== undefined) return { id: record.output as string, workflow: name };
      this.#attempt.begin();
      return { id: (await this.#attempt.record("wf_spawn", step, name, dumps(input, `the input of ${name}`), JSON.stringify(given))) as string, workflow: name };
    };
    return this.#attempt.guard(starting());
  }

  /** The outputs of children, once all have ended. One that failed rejects with WorkflowFailed. */
  join<T extends readonly Child[]>(children: T, options: { timeout?: Duration; name?: string } = {}): Promise<{ [K in keyof T]: T[K] extends Child<infer R> ? R : never }> {
    const step = this.#attempt.take(checkName(options.name ?? "join"));
    const meaning = (answer: unknown): unknown => {
      const ended = new Map((answer as { id: string; status: string; output?: unknown; error?: unknown }[]).map((entry) => [entry.id, entry]));
      return children.map(({ id }) => {
        const entry = ended.get(id)!;
        if (entry.status === "completed") return entry.output ?? null;
        if (entry.status === "cancelled") throw new WorkflowCancelled(id, entry.error ?? null);
        if (entry.status === "failed") throw new WorkflowFailed(id, entry.error ?? null);
        throw new TimeoutError(`the child ${id} has not ended in time`);
      });
    };
    const given = options.timeout === undefined ? {} : { timeout: options.timeout };
    return this.#attempt.wait({ step, kinds: ["join"], function: "wf_join", params: [JSON.stringify(children.map(({ id }) => id))], options: given, meaning }) as never;
  }

  /** Starts a child and waits for its output. */
  async call<I, R>(workflow: Workflow<I, R> | string, input: I, options: Record<string, unknown> = {}): Promise<Json<R>> {
    return (await this.join([await this.start(workflow, input, options)] as const))[0] as Json<R>;
  }

  /** Appends to a stream of this workflow; a replay does not repeat it. (A stream is written by the workflow's code or by its steps, not by both.) */
  append(stream: string, value: unknown): Promise<number> {
    const offset = this.#attempt.offset(stream);
    return this.#do(() => this.#attempt.record("wf_append", stream, dumps(value, `an item of ${stream}`), JSON.stringify({ offset }))) as Promise<number>;
  }

  /** A named value that others can read. */
  set(key: string, value: unknown): Promise<void> {
    return this.#do(() => this.#attempt.record("wf_set", key, dumps(value, `the value ${key}`))) as Promise<void>;
  }

  /** Ends this period: the workflow begins anew, with an empty history and this input (none: the old one). */
  continueAs(input?: unknown): Promise<never> {
    return this.#do(async () => {
      await this.#attempt.record("wf_continue", input === undefined ? null : dumps(input, "the input"));
      this.#attempt.ends("continued");
    }) as Promise<never>;
  }

  /** Code that has changed, for workflows under way: true where an attempt comes here first with this code, false where one was past it already. */
  patched(name: string): Promise<boolean> {
    const step = this.#attempt.take(`patch ${checkName(name)}`);
    return this.#attempt.guard(
      (async () => {
        if (this.#attempt.recorded(step, ["step"]) !== undefined) return true;
        if (this.#attempt.hasUnused) return false;
        this.#attempt.begin();
        await this.#attempt.record("wf_step", step, "true", this.#attempt.options() ?? "{}");
        return true;
      })(),
    );
  }

  /** fn of each item, side by side, with names of their own for the steps of each: `name[0].step`. */
  map<I, R>(name: string, items: readonly I[], fn: (item: I, index: number) => Promise<R>): Promise<R[]> {
    const prefix = this.#attempt.take(checkName(name));
    return Promise.all(items.map((item, i) => this.#attempt.branch(`${prefix}[${i}].`, () => fn(item, i))));
  }

  /** Said after a step, in a workflow that is declared with `undo: true`: if it fails for good, is cancelled or times out, this is done as the step `undo <name>`. The last first. */
  compensate(name: string, work: (context: StepContext) => unknown, options: StepOptions = {}): void {
    if (!this.#attempt.workflow.undoes) throw new WfextError(`the workflow ${this.name} calls compensate(): declare it with { undo: true }, so that its first record says that there is something to undo`);
    this.#attempt.undo.push(() => this.#attempt.step(`undo ${checkName(name)}`, "step", options, work));
  }

  #do<T>(work: () => Promise<T>): Promise<T> {
    return this.#attempt.guard(
      (async () => {
        this.#attempt.begin();
        return work();
      })(),
    );
  }
}

function payload(answer: unknown): unknown {
  const { timeout, payload: given } = answer as { timeout?: boolean; payload?: unknown };
  return timeout === true ? undefined : (given ?? null);
}
