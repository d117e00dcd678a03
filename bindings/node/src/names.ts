// Names of steps. One is taken when the step is called, in the order of the code; the second of one name in an attempt is `name#2`, over all kinds. So a replay finds its records only if
// the order of the calls is the same each time. It is not where a name is repeated by branches that run side by side: that is refused.

import { shown } from "./check.ts";
import { Mistake, Nondeterminism } from "./errors.ts";

/** The name, if it may be given by hand. */
export function checkName(name: unknown, what = "a step"): string {
  if (typeof name !== "string" || name === "") throw new Mistake(`the name of ${what} is ${shown(name)}: a text that is not empty`);
  if (/#\d+$/.test(name)) throw new Mistake(`the name ${JSON.stringify(name)} ends in # and a number, which are for repeated names`);
  return name;
}

/** What is given to be done. */
export function checkFunction<F>(name: string, given: F): F {
  if (typeof given !== "function") throw new Mistake(`what ${JSON.stringify(name)} is to do is ${given instanceof Promise ? "a promise, which has begun already" : given === undefined ? "missing" : `a ${typeof given}`}: give a function`);
  return given;
}

/** What was called before, in the same branch of the code. */
export interface Called {
  readonly before: Called | undefined;
}

/** The names that one attempt, or one branch of map(), has used. */
export class Names {
  #uses = new Map<string, { count: number; racy: boolean; last: Called }>();
  #prefix: string;
  #flight: Flight;

  constructor(flight: Flight, prefix = "") {
    this.#flight = flight;
    this.#prefix = prefix;
  }

  /** `isWoken`: the call comes from the beginning of the code or from what it has awaited of ours, not from something else that it awaits. `inOrder`: the calls come in one order, in branches too, so that they are counted (items of a stream). */
  take(name: string, call: Called, isWoken: boolean, inOrder = false): string {
    const racy = this.#flight.isRacy;
    const use = this.#uses.get(name);
    if (use === undefined) {
      this.#uses.set(name, { count: 1, racy, last: call });
      return this.#prefix + name;
    }
    if (!inOrder && (use.racy || racy || (!isWoken && !comesAfter(call, use.last)))) {
      throw new Nondeterminism(
        `WF_NONDETERMINISM: the step ${JSON.stringify(name)} is repeated by branches that run side by side${isWoken ? "" : ", behind something that is awaited outside of a step"}, so a replay could give one the result of the other: ` +
          `give each a name of its own, or use ctx.map(${JSON.stringify(name)}, items, fn)${isWoken ? "" : ", or await that in a step"}`,
        "WF_NONDETERMINISM",
      );
    }
    use.count += 1;
    use.last = call;
    return `${this.#prefix}${name}#${use.count}`;
  }
}

function comesAfter(call: Called, earlier: Called): boolean {
  let at = call.before;
  while (at !== undefined && at !== earlier) at = at.before;
  return at !== undefined;
}

/** What of an attempt, or of one branch of map(), is in flight. A moment is racy when one of several steps side by side has settled and another has not: the order of what follows is that of their ends. */
export class Flight {
  #count = 0;
  #settledBeside = false;

  get isRacy(): boolean {
    return this.#settledBeside && this.#count > 0;
  }
  begins(): void {
    this.#count += 1;
  }
  settles(): void {
    this.#count -= 1;
    this.#settledBeside = this.#count > 0;
  }
}
