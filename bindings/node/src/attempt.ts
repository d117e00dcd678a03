// One attempt at a workflow: from a claim to its end, its suspension, or its loss.
//
// A wait does not hold the attempt. Once nothing of it is in flight any more, what it waits for goes to the engine, and its promises never settle: the workflow is a row until what it waits
// for is there, and is then run again from its beginning. (A rejection would be swallowed by Promise.allSettled; so `finally` blocks do not run at a suspension.)

import type { Workflow } from "./app.ts";
import type { Database } from "./database.ts";
import { AlreadySuspended, Busy, Nondeterminism, NotOurs, OutsideWorkflow, StepFailed, WfextError, isOfTheMachine } from "./errors.ts";
import { type Called, Flight, Names } from "./names.ts";
import { scope } from "./scope.ts";
import { Steps } from "./steps.ts";
import { Streams } from "./streams.ts";
import { Turns } from "./turns.ts";
import { Waits } from "./waits.ts";

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

const TICKS = 4; // of process.nextTick(), by which some libraries go on, too

// One of its own each time: what hangs on it is to be collected.
const never = (): Promise<never> => new Promise(() => undefined);

export type Log = Pick<Console, "info" | "warn" | "error">;

/** Thrown to nobody: the attempt is over, and what its code awaits never settles. */
export class AttemptOver extends Error {}

/** What a worker gives to its attempts. */
export interface Surroundings {
  /** Seconds. */
  lease: number;
  log: Log;
  /** Seconds between two tries of a step; a longer pause gives the workflow back. */
  longestPause?: number;
}

/** The state of an attempt. */
export class Attempt {
  readonly claim: Claim;
  readonly workflow: Workflow<never, unknown>;
  readonly surroundings: Surroundings;
  readonly over: Promise<string>;
  readonly undo: (() => Promise<unknown>)[] = [];
  readonly steps = new Steps(this);
  readonly waits = new Waits(this);
  readonly streams = new Streams(this);
  readonly turns = new Turns(() => this.#readOrder());
  abort = new AbortController();
  flight = new Flight();
  names = new Names(this.flight);
  why: string | undefined;
  /** Calls and steps that are under way. */
  inFlight = 0;
  /** In the second phase the code is only read back, to find what is to be undone. */
  replaysOnly: boolean;
  #records: Map<string, StepRecord>;
  #used = new Set<string>();
  #stopping = false;
  #isWoken = false;
  #ticks = 0; // after which it rests
  #drained: (() => void) | undefined; // once the code has ended
  #endsInTwoPhases = false;
  #end!: (why: string) => void;

  constructor(workflow: Workflow<never, unknown>, claim: Claim, records: StepRecord[], surroundings: Surroundings) {
    this.workflow = workflow;
    this.claim = claim;
    this.surroundings = surroundings;
    this.#records = new Map(records.map((record) => [record.name, record]));
    this.replaysOnly = claim.ending !== null;
    this.over = new Promise((resolve) => (this.#end = resolve));
  }

  get database(): Database {
    return this.workflow.app.database;
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
    if (this.inFlight === 0 && this.#drained === undefined) this.lost("stopping");
  }

  /** Whether its code has ended, or may. */
  get isOver(): boolean {
    return this.why !== undefined || this.#drained !== undefined;
  }

  /** Whether its code is told to leave: what that rejects with is no failure of the workflow. */
  get isToldToEnd(): boolean {
    return this.abort.signal.aborted;
  }

  /** The code has ended. What of it is in flight is told, and awaited: what it has done is recorded before the workflow ends. Nothing new begins. */
  async drain(): Promise<void> {
    const drained = new Promise<void>((resolve) => (this.#drained = resolve));
    if (this.inFlight === 0) return;
    this.surroundings.log.warn(`wfext: workflow ${this.claim.id} (${this.claim.name}): its code has ended while ${this.inFlight} of its steps were under way (an await is missing, or they lost a race): they are told by their signal, and awaited`);
    this.abort.abort(new WfextError("the workflow's code has ended"));
    await Promise.race([drained, this.over]);
  }

  /** What is done in the second phase, after the code was read back: another beginning, which may be over in its turn. */
  beginUndo(told: (why: string) => void): void {
    this.why = undefined;
    this.#drained = undefined;
    this.replaysOnly = false;
    this.#end = told;
    this.abort = new AbortController();
    this.flight = new Flight(); // what was cut off in the code is in flight for ever
    this.names = new Names(this.flight);
  }

  // What code awaits: where the attempt is over, it waits for ever. Nobody has to await it: a rejection that nobody hears of would end the process, and all other workflows with it.
  guard<T>(work: Promise<T>): Promise<T> {
    const guarded = work.then(
      (value) => {
        this.wakes();
        return value;
      },
      (error: unknown) => {
        if (this.#isItsEnd(error)) return never();
        this.wakes();
        throw error;
      },
    );
    guarded.catch(() => undefined);
    return guarded;
  }

  #isItsEnd(error: unknown): boolean {
    return error instanceof AttemptOver || this.isOver;
  }

  /** The code goes on. What it calls until its promises have nothing more to do follows from that; what a timer or a file wakes behind it does not. */
  wakes(): void {
    this.#ticks = TICKS;
    if (this.#isWoken) return;
    this.#isWoken = true;
    process.nextTick(this.#rests);
  }
  #rests = (): void => {
    this.#ticks -= 1;
    this.#isWoken = this.#ticks > 0;
    if (this.#isWoken) process.nextTick(this.#rests);
  };

  /** A step or a wait, which settles beside others, one after the other. */
  settling<T>(step: string, work: () => Promise<T>): Promise<T> {
    const flight = scope.getStore()?.branch?.flight ?? this.flight;
    flight.begins();
    this.turns.begins();
    return this.guard(this.#settling(step, work, flight));
  }

  // Where the attempt is over it is in flight for ever.
  async #settling<T>(step: string, work: () => Promise<T>, flight: Flight): Promise<T> {
    let outcome: { value: T } | { error: unknown };
    try {
      outcome = { value: await work() };
    } catch (error) {
      if (this.#isItsEnd(error)) return never();
      outcome = { error };
    }
    const turn = this.turns.settles(step, this.#isRecorded(step));
    if (turn !== undefined) await turn;
    if ("error" in outcome && this.isOver) return never();
    flight.settles();
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  /** Something that is in flight in its branch of the code. */
  within<T>(work: () => Promise<T>): Promise<T> {
    const flight = scope.getStore()?.branch?.flight ?? this.flight;
    flight.begins();
    return this.guard(
      (async () => {
        try {
          return await this.guard(work());
        } finally {
          flight.settles();
        }
      })(),
    );
  }

  /** Before anything is done that is not recorded. */
  begin(): void {
    if (this.why !== undefined) this.ends(this.why);
    if (this.#drained !== undefined) throw new AttemptOver("its code has ended");
    if (this.#stopping && this.inFlight === 0) this.ends("stopping");
    if (this.#stopping) throw new AttemptOver("stopping");
    if (this.replaysOnly) this.ends("read back");
  }

  /** Whether a step is recorded before it is tried: an effect, and whatever may have to be undone. A cancel in its middle then waits for its record. */
  announces(kind: string): boolean {
    return kind === "effect" || (kind === "step" && this.workflow.undoes && this.claim.ending === null);
  }

  /** Settles when nothing of it is in flight any more. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve;
      if (this.inFlight === 0) resolve();
    });
  }

  // Names and records

  take(name: string, inOrder = false): string {
    const inside = scope.getStore();
    if (inside?.step !== undefined) throw new OutsideWorkflow(`${name} is called inside of the step ${inside.step}, which is recorded as a whole`);
    const last: Called = { before: inside?.last };
    const taken = (inside?.branch?.names ?? this.names).take(name, last, this.#isWoken, inOrder);
    scope.enterWith({ ...inside, last }); // for what this branch of the code calls from now on
    this.#used.add(taken);
    return taken;
  }

  get hasUnused(): boolean {
    return [...this.#records.keys()].some((name) => !this.#used.has(name));
  }

  recorded(step: string, kinds: readonly string[]): StepRecord | undefined {
    const record = this.#records.get(step);
    if (record === undefined) return undefined;
    if (!kinds.includes(record.kind)) {
      throw new Nondeterminism(`WF_NONDETERMINISM: the step ${JSON.stringify(step)} of ${JSON.stringify(this.claim.id)} is recorded as ${record.kind}, and called as ${kinds[0]}`, "WF_NONDETERMINISM");
    }
    return this.#isRecorded(step) ? record : undefined;
  }

  #isRecorded(step: string): boolean {
    const status = this.#records.get(step)?.status;
    return status === "done" || status === "error";
  }

  async #readOrder(): Promise<Map<string, number>> {
    this.enters();
    try {
      const rows = (await this.#again(() => this.database.rows("SELECT name FROM wf_steps WHERE workflow_id = ? ORDER BY recorded_at, seq", this.claim.id))) as [string][];
      return new Map(rows.map(([name], i) => [name, i]));
    } finally {
      this.leaves();
    }
  }

  /** What is recorded of a step, waits and children apart: its output, in an array; StepFailed where an error is. */
  outcome(step: string): [unknown] | undefined {
    const record = this.recorded(step, ["step", "effect", "begin"]);
    if (record?.status === "error") throw new StepFailed(step, record.error);
    return record === undefined ? undefined : [record.output ?? null];
  }

  // Calls of the engine

  /** Again while the file is locked and the lease lasts, since what it records has happened. */
  call(name: string, ...params: unknown[]): Promise<unknown> {
    return this.#again(() => this.database.call(name, this.claim.token, ...params));
  }

  rows(sql: string, ...params: unknown[]): Promise<unknown[][]> {
    return this.#again(() => this.database.rows(sql, ...params)) as Promise<unknown[][]>;
  }

  async #again(work: () => Promise<unknown>): Promise<unknown> {
    const until = Date.now() + this.surroundings.lease * 1000;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof NotOurs) this.ends(error instanceof AlreadySuspended ? "suspended" : "not ours");
        if (error instanceof Busy && Date.now() < until) continue;
        if (isOfTheMachine(error)) {
          this.surroundings.log.error(`wfext: workflow ${this.claim.id}: a call failed, and its attempt ends:`, error);
          this.ends("the engine failed");
        }
        throw error;
      }
    }
  }

  /** A call that keeps the waits of the attempt from being handed over, and the worker's stop from ending it. */
  record(name: string, ...params: unknown[]): Promise<unknown> {
    return this.calling(() => this.call(name, ...params));
  }

  /** The same of several calls. */
  async calling<T>(work: () => Promise<T>): Promise<T> {
    this.enters();
    this.turns.callBegins();
    try {
      return await work();
    } finally {
      this.turns.callEnds();
      this.leaves();
    }
  }

  /** Options of a call, as JSON. The first record of code that can undo says so: from then on the workflow ends in two phases. */
  options(given: Record<string, unknown> = {}, twoPhases = "cleanup"): string | null {
    const all = this.#saysTwoPhases ? { ...given, [twoPhases]: true } : given;
    return Object.keys(all).length > 0 ? JSON.stringify(all) : null;
  }

  get #saysTwoPhases(): boolean {
    return this.workflow.undoes && !this.#endsInTwoPhases && this.claim.ending === null;
  }

  /** work records something with options(), which stands afterwards. */
  async stands<T>(work: () => Promise<T>): Promise<T> {
    const said = this.#saysTwoPhases;
    const answer = await work();
    if (said) this.#endsInTwoPhases = true;
    return answer;
  }

  enters(): void {
    this.inFlight += 1;
  }

  leaves(): void {
    this.inFlight -= 1;
    if (this.inFlight > 0) return;
    if (this.#drained !== undefined) this.#drained();
    else if (this.#stopping) this.lost("stopping");
    else this.waits.look();
  }

  branch<T>(prefix: string, work: () => Promise<T>): Promise<T> {
    const flight = new Flight();
    return scope.run({ branch: { names: new Names(flight, prefix), flight } }, work);
  }
}
