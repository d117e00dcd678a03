// What a workflow's code is given.

import type { App, WorkflowRef } from "./app.ts";
import type { Attempt, Log } from "./attempt.ts";
import type { Transaction } from "./database.ts";
import { checkArray, checkText, shown } from "./check.ts";
import { Mistake, TimeoutError, WorkflowCancelled, WorkflowFailed } from "./errors.ts";
import { checkFunction, checkName } from "./names.ts";
import { scope } from "./scope.ts";
import { type EffectOptions, type StepContext, type StepKind, type StepOptions, checkOptions } from "./steps.ts";
import { type Json, dumps } from "./values.ts";

/** Seconds, or a text such as "7d". */
export type Duration = number | string;

/** A child workflow. */
export interface Child<T = unknown> {
  readonly id: string;
  readonly workflow: string;
  readonly __type?: T;
}

/** Given to each line of ctx.log. */
export interface LogFields {
  workflow: string;
  name: string;
  attempt: number;
  step?: string;
}

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
  /** The app; ctx.app.state is what its lifespan has given. */
  get app(): App {
    return this.#attempt.workflow.app;
  }
  /** Aborts when the attempt is over: the workflow waits, is cancelled, paused, taken by another, or the worker stops. */
  get signal(): AbortSignal {
    return this.#attempt.abort.signal;
  }
  /** The worker's log, with the workflow, its attempt and the step before each line. */
  get log(): Log {
    const { log } = this.#attempt.surroundings;
    const step = scope.getStore()?.step;
    const fields: LogFields = { workflow: this.id, name: this.name, attempt: this.attempt, ...(step === undefined ? {} : { step }) };
    return { info: (...line) => log.info(fields, ...line), warn: (...line) => log.warn(fields, ...line), error: (...line) => log.error(fields, ...line) };
  }

  /** Does it once: what it returns is recorded, and read back in every replay. */
  step<T>(name: string, work: (context: StepContext) => T | Promise<T>, options: StepOptions = {}): Promise<Json<T>> {
    return this.#attempt.steps.run(checkName(name), { kind: "step", options: checkOptions(options), work: checkFunction(name, work) }) as Promise<Json<T>>;
  }

  /** A step with an effect outside, which is recorded before it is tried, too. */
  effect<T>(name: string, work: (context: StepContext) => T | Promise<T>, options: EffectOptions = {}): Promise<Json<T>> {
    return this.#attempt.steps.run(checkName(name), { kind: "effect", options: checkOptions(options), work: checkFunction(name, work) }) as Promise<Json<T>>;
  }

  /** A step that writes rows of the application's: they and its record are one commit. Within a second; only `tx` is in the transaction. */
  transaction<T>(name: string, work: (tx: Transaction) => Promise<T>): Promise<Json<T>> {
    checkFunction(name, work);
    return this.#attempt.steps.run(checkName(name), { kind: "transaction", options: {}, work: (_, tx) => work(tx) }) as Promise<Json<T>>;
  }

  #wait(name: string, kinds: string[], call: string, params: unknown[], meaning: (answer: unknown) => unknown, options: Record<string, unknown> = {}): Promise<unknown> {
    return this.#waitAs(this.#attempt.take(checkName(name)), kinds, call, params, meaning, options);
  }

  #waitAs(step: string, kinds: string[], call: string, params: unknown[], meaning: (answer: unknown) => unknown, options: Record<string, unknown>): Promise<unknown> {
    return this.#attempt.waits.add({ step, kinds, function: call, params, options, meaning });
  }

  /** Seconds, a text such as "7d", or until a time. Survives a restart; holds nothing. */
  sleep(time: Duration | Date, name = "sleep"): Promise<void> {
    if (time instanceof Date ? Number.isNaN(time.getTime()) : typeof time === "number" ? Number.isNaN(time) : typeof time !== "string") {
      throw new Mistake(`the time of ${shown(name)} is ${time instanceof Date ? "a Date that is no time" : shown(time)}: seconds, a text such as "7d", or a Date`);
    }
    return this.#wait(name, ["sleep"], "wf_sleep", [time instanceof Date ? time.toISOString() : time], () => undefined) as Promise<void>;
  }

  /** The payload of the earliest signal of the name; undefined after the timeout. (A payload of null is no timeout.) */
  waitSignal<T = unknown>(name: string, options: { timeout?: Duration } = {}): Promise<T | undefined> {
    return this.#wait(name, ["await"], "wf_await", [name, options.timeout ?? null], payload) as Promise<T | undefined>;
  }

  /** The payload of an event, which is stated once for everyone; undefined after the timeout. */
  waitEvent<T = unknown>(event: string, options: { timeout?: Duration; name?: string } = {}): Promise<T | undefined> {
    return this.#wait(options.name ?? event, ["await_event", "event"], "wf_await_event", [event, options.timeout ?? null], payload) as Promise<T | undefined>;
  }

  /** Waits in line for a share of a rate (app.rate). */
  acquire(rate: string, options: { amount?: number; key?: string; timeout?: Duration; name?: string } = {}): Promise<void> {
    const { amount = 1, name = rate, ...given } = options;
    const meaning = (answer: unknown): undefined => {
      if ((answer as { timeout?: boolean }).timeout === true) throw new TimeoutError(`there was no share of ${JSON.stringify(rate)} in time`);
      return undefined;
    };
    return this.#wait(name, ["acquire"], "wf_acquire", [rate, amount], meaning, given) as Promise<void>;
  }

  /** Starts a child, once. */
  start<I, R>(workflow: WorkflowRef<I, R> | string, input: I, options: Record<string, unknown> = {}): Promise<Child<Json<R>>> {
    const attempt = this.#attempt;
    const name = checkName(typeof workflow === "string" ? workflow : workflow?.name, "a workflow");
    const given = typeof workflow === "string" ? options : workflow.startOptions(options);
    const step = attempt.take(name);
    const starting = async (): Promise<Child<Json<R>>> => {
      const record = attempt.recorded(step, ["spawn"]);
      if (record !== undefined) return { id: record.output as string, workflow: name };
      attempt.begin();
      const id = await attempt.stands(() => attempt.record("wf_spawn", step, name, dumps(input, `the input of ${name}`), attempt.options(given, "parent_cleanup")));
      return { id: id as string, workflow: name };
    };
    return attempt.guard(starting());
  }

  /** The outputs of children, once all have ended. One that failed rejects with WorkflowFailed. */
  join<T extends readonly Child[]>(children: T, options: { timeout?: Duration; name?: string } = {}): Promise<{ [K in keyof T]: T[K] extends Child<infer R> ? R : never }> {
    const { name = "join", ...given } = options;
    for (const child of checkArray("the children", children)) if (typeof child?.id !== "string") throw new Mistake(`a child is ${shown(child)}: what ctx.start() has given`);
    return this.#joinAs(this.#attempt.take(checkName(name)), children, given) as never;
  }

  #joinAs(step: string, children: readonly Child[], options: { timeout?: Duration }): Promise<unknown> {
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
    return this.#waitAs(step, ["join"], "wf_join", [JSON.stringify(children.map(({ id }) => id))], meaning, options);
  }

  /** Starts a child and waits for its output. */
  call<I, R>(workflow: WorkflowRef<I, R> | string, input: I, options: Record<string, unknown> = {}): Promise<Json<R>> {
    const starting = this.start(workflow, input, options);
    const step = this.#attempt.take("join"); // both are named in the caller
    return starting.then(async (child) => ((await this.#joinAs(step, [child], {})) as [Json<R>])[0]);
  }

  /** Appends to a stream of this workflow; a replay does not repeat it. In a step it is appended at the end. */
  append(stream: string, value: unknown): Promise<number> {
    return this.#attempt.streams.append(checkText("the name of a stream", stream), value);
  }

  /** A named value that others can read. */
  set(key: string, value: unknown): Promise<void> {
    checkText("the name of a value", key);
    if (this.#attempt.replaysOnly) return Promise.resolve(); // it is set
    return this.#now(() => this.#attempt.record("wf_set", key, dumps(value, `the value ${key}`))) as Promise<void>;
  }

  /** Ends this period: the workflow begins anew, with an empty history and this input (none: the old one). */
  continueAs(input?: unknown): Promise<never> {
    return this.#now(async () => {
      await this.#attempt.record("wf_continue", input === undefined ? null : dumps(input, "the input"));
      this.#attempt.ends("continued");
    }) as Promise<never>;
  }

  /** Code that has changed, for workflows under way: true where an attempt comes here first with this code, false where one was past it already. */
  patched(name: string): Promise<boolean> {
    const attempt = this.#attempt;
    const step = attempt.take(`patch ${checkName(name)}`);
    const looking = async (): Promise<boolean> => {
      if (attempt.recorded(step, ["step"]) !== undefined) return true;
      if (attempt.hasUnused) return false;
      attempt.begin();
      await attempt.stands(() => attempt.record("wf_step", step, "true", attempt.options()));
      return true;
    };
    return attempt.guard(looking());
  }

  /** fn of each item, side by side, with names of their own for the steps of each: `name[0].step`. */
  map<I, R>(name: string, items: readonly I[], fn: (item: I, index: number) => Promise<R>): Promise<R[]> {
    checkFunction(checkName(name), fn);
    checkArray(`the items of ${JSON.stringify(name)}`, items);
    const prefix = this.#attempt.take(name);
    return this.#attempt.within(() => Promise.all(items.map((item, i) => this.#attempt.branch(`${prefix}[${i}].`, () => fn(item, i)))));
  }

  /** Said after a step, in a workflow that is declared with `undo: true`: if it fails for good, is cancelled or times out, this is done as the step `undo <name>`. The last first. */
  compensate(name: string, work: (context: StepContext) => unknown, options: StepOptions = {}): void {
    if (!this.#attempt.workflow.undoes) throw new Mistake(`the workflow ${this.name} calls compensate(): declare it with { undo: true }, so that its first record says that there is something to undo`);
    const kind: StepKind = { kind: "step", options: checkOptions(options), work: checkFunction(checkName(name), work) };
    this.#attempt.undo.push(() => this.#attempt.steps.run(`undo ${name}`, kind));
  }

  #now<T>(work: () => Promise<T>): Promise<T> {
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
