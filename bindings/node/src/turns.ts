// The order in which steps and waits side by side settle.
//
// They settle one in each turn of the loop, also where they have come out together or are read back, so that what each wakes is seen while the others are in flight. What is recorded settles in
// the order in which it was recorded, and before what is not: who was first in a race is first in every replay. What has settled makes its other calls (append, set, start) to their end before
// the next one settles, so that those of several branches have one order too.

interface Staged {
  step: string;
  settle: () => void;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class Turns {
  readonly #readOrder: () => Promise<Map<string, number>>;
  #order: Map<string, number> | undefined;
  #inFlight = 0;
  #recorded: Staged[] = []; // in their order once that is known
  #others: Staged[] = [];
  #goes = false;
  #calls = 0;
  #noCalls: () => void = () => undefined;

  constructor(readOrder: () => Promise<Map<string, number>>) {
    this.#readOrder = readOrder;
  }

  /** Whether something has come and has not had its turn. */
  get isBusy(): boolean {
    return this.#goes;
  }

  begins(): void {
    this.#inFlight += 1;
  }

  callBegins(): void {
    this.#calls += 1;
  }
  /** What the answer wakes has its turn before that counts: it may call again. */
  callEnds(): void {
    setImmediate(() => {
      this.#calls -= 1;
      if (this.#calls === 0) this.#noCalls();
    });
  }

  /** Resolves when it is its turn. */
  settles(step: string, recorded: boolean): Promise<void> | undefined {
    this.#inFlight -= 1;
    if (this.#inFlight === 0 && this.#calls === 0 && !this.#goes) return undefined;
    return new Promise((settle) => {
      if (recorded) this.#stage({ step, settle });
      else this.#others.push({ step, settle });
      if (!this.#goes) void this.#go(recorded);
    });
  }

  async #go(replays: boolean): Promise<void> {
    this.#goes = true;
    try {
      if (replays) await turn(); // what is called beside it is there
      while (this.#recorded.length + this.#others.length > 0) {
        while (this.#calls > 0) await new Promise<void>((resolve) => (this.#noCalls = resolve));
        if (this.#recorded.length > 1 && this.#order === undefined) await this.#putInOrder();
        (this.#recorded.shift() ?? this.#others.shift()!).settle();
        await turn();
      }
    } catch {
      // The order could not be read: the attempt is over.
    } finally {
      this.#goes = false;
    }
  }

  async #putInOrder(): Promise<void> {
    this.#order = await this.#readOrder();
    const staged = this.#recorded;
    this.#recorded = [];
    for (const one of staged) this.#stage(one);
  }

  #place({ step }: Staged): number {
    return this.#order?.get(step) ?? Infinity;
  }

  #stage(one: Staged): void {
    let at = this.#recorded.length;
    if (this.#order !== undefined) {
      let low = 0;
      for (const place = this.#place(one); low < at; ) {
        const middle = (low + at) >> 1;
        if (this.#place(this.#recorded[middle]!) <= place) low = middle + 1;
        else at = middle;
      }
    }
    this.#recorded.splice(at, 0, one);
  }
}
