// Waits of an attempt. They go to the engine when nothing of it is in flight: else the record of a sibling would be refused.

import type { Attempt } from "./attempt.ts";
import { loads } from "./values.ts";

/** A call of the engine that may have to be waited for, and what its answer means. */
export interface Wait {
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

const QUIET_TURNS = 3; // of the loop in which nothing is in flight before a wait goes to the engine

export class Waits {
  readonly #attempt: Attempt;
  #open: OpenWait[] = [];
  #looking = false;

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }

  add(wait: Wait): Promise<unknown> {
    return this.#attempt.settling(wait.step, async () => {
      const record = this.#attempt.recorded(wait.step, wait.kinds);
      if (record !== undefined) return wait.meaning(record.output ?? null);
      this.#attempt.begin();
      const answer = await new Promise((resolve, reject) => {
        this.#open.push({ ...wait, kept: false, done: false, resolve, reject });
        if (this.#attempt.inFlight === 0) this.look();
      });
      return wait.meaning(answer);
    });
  }

  /** Nothing is in flight: hands over what is waited for, if that stays so. */
  look(): void {
    if (this.#looking || this.#open.length === 0) return;
    this.#looking = true;
    const quiet = (turns: number): void => {
      if (this.#attempt.inFlight > 0 || this.#attempt.isOver) this.#looking = false;
      else if (this.#attempt.turns.isBusy) setImmediate(quiet, QUIET_TURNS); // what that wakes may do something
      else if (turns > 0) setImmediate(quiet, turns - 1);
      else void this.#handOver();
    };
    setImmediate(quiet, QUIET_TURNS);
  }

  // A single wait suspends the workflow itself; several are opened beside each other, and then the claim is given back.
  async #handOver(): Promise<void> {
    const attempt = this.#attempt;
    const waits = this.#open;
    const single = waits.length === 1 && !waits[0]!.kept;
    try {
      const options = (wait: Wait): string => attempt.options(single ? wait.options : { ...wait.options, keep: true }) ?? "{}";
      const answers = await Promise.allSettled(waits.map((wait) => attempt.stands(() => attempt.call(wait.function, wait.step, ...wait.params, options(wait)))));
      let satisfied = false;
      answers.forEach((answer, i) => {
        const wait = waits[i]!;
        wait.kept = !single;
        if (answer.status === "fulfilled" && answer.value === null) return;
        satisfied = wait.done = true;
        if (answer.status === "fulfilled") wait.resolve(wait.function === "wf_sleep" ? answer.value : loads(answer.value));
        else wait.reject(answer.reason);
      });
      this.#open = this.#open.filter((wait) => !wait.done);
      this.#looking = false;
      if (attempt.isOver) return;
      if (satisfied) {
        if (attempt.inFlight === 0) this.look(); // what was satisfied has its turn first
        return;
      }
      if (!single) {
        if (attempt.inFlight > 0) return; // something has begun meanwhile: its end asks again
        await attempt.call("wf_release");
      }
      attempt.lost("suspended");
    } catch (error) {
      this.#looking = false;
      for (const wait of waits) wait.reject(error);
    }
  }
}
