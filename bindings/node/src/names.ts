// Names of steps. One is taken when the step is called, in the order of the code; the second of one name in an attempt is `name#2`, over all kinds. So a replay finds its records only if
// the order of the calls is the same each time. It is not where a name is repeated by branches that run side by side: that is refused.

import { Nondeterminism, WfextError } from "./errors.ts";

/** The name, if it may be given by hand. */
export function checkName(name: unknown): string {
  if (typeof name !== "string" || name === "") throw new WfextError(`the name of a step is ${String(name)}: it is a text`);
  if (/#\d+$/.test(name)) throw new WfextError(`the name ${JSON.stringify(name)} ends in # and a number, which are for repeated names`);
  return name;
}

/** The names that one attempt, or one branch of map(), has used. */
export class Names {
  #uses = new Map<string, { count: number; racy: boolean }>();
  #prefix: string;
  #flight: Flight;

  constructor(flight: Flight, prefix = "") {
    this.#flight = flight;
    this.#prefix = prefix;
  }

  take(name: string): string {
    const racy = this.#flight.isRacy;
    const use = this.#uses.get(name);
    if (use === undefined) {
      this.#uses.set(name, { count: 1, racy });
      return this.#prefix + name;
    }
    if (use.racy || racy) {
      throw new Nondeterminism(
        `WF_NONDETERMINISM: the step ${JSON.stringify(name)} is repeated by branches that run side by side, so a replay could give one the result of the other: ` +
          `give each a name of its own, or use ctx.map(${JSON.stringify(name)}, items, fn)`,
        "WF_NONDETERMINISM",
      );
    }
    use.count += 1;
    return `${this.#prefix}${name}#${use.count}`;
  }
}

/**
 * What of an attempt is in flight. A moment is racy when one of several steps side by side has settled and another has not: the order of what follows is that of their ends.
 * Steps side by side settle one in each turn of the loop, also where they have come out together or are read back, so that what each wakes is seen in such a moment.
 */
export class Flight {
  #count = 0;
  #settledBeside = false;
  #last: Promise<void> = Promise.resolve();
  #staged = 0;

  get isRacy(): boolean {
    return this.#settledBeside && this.#count > 0;
  }

  begins(): void {
    this.#count += 1;
  }

  /** Resolves when this one has settled. */
  async settles(): Promise<void> {
    if (this.#count === 1 && this.#staged === 0) {
      this.#settle();
      return;
    }
    this.#staged += 1;
    const before = this.#last;
    let next: () => void = () => undefined;
    this.#last = new Promise((resolve) => (next = resolve));
    await before;
    this.#settle();
    setImmediate(() => {
      this.#staged -= 1;
      next();
    });
  }

  #settle(): void {
    this.#count -= 1;
    this.#settledBeside = this.#count > 0;
  }
}
