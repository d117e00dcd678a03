// Waits on behalf of all in this process who want to know of the end of a workflow, or of an item of a stream.

import { randomBytes } from "node:crypto";
import type { Database, Waiter } from "./database.ts";
import { loads } from "./values.ts";

const WATCHED = 200; // things in one wait

export class Watch {
  readonly #database: Database;
  #things = new Map<string, Set<() => void>>();
  #wake = `watch ${randomBytes(8).toString("hex")}`;
  #running: Promise<void> | undefined;
  #waiter: Waiter | undefined;
  #stopping = false;

  constructor(database: Database) {
    this.#database = database;
  }

  until(thing: string, seconds: number): Promise<void> {
    return new Promise((resolve) => {
      const told = this.#things.get(thing) ?? new Set();
      this.#things.set(thing, told);
      const done = (): void => {
        clearTimeout(timer);
        told.delete(done);
        if (told.size === 0) this.#things.delete(thing);
        resolve();
      };
      const timer = setTimeout(done, Math.min(seconds * 1000, 2 ** 31 - 1));
      told.add(done);
      if (this.#running === undefined) this.#running = this.#run().catch(() => undefined).finally(() => (this.#running = undefined));
      else void this.#database.call("wf_wake", this.#wake).catch(() => undefined);
    });
  }

  #tell(things: Iterable<Set<() => void>>): void {
    for (const done of [...things].flatMap((told) => [...told])) done();
  }

  async #run(): Promise<void> {
    const waiter = (this.#waiter = await this.#database.waiter());
    try {
      for (let idle = 0; idle < 2 && !this.#stopping; ) {
        const things = [...this.#things.keys()].slice(0, WATCHED);
        idle = things.length > 0 ? 0 : idle + 1; // who asks once may ask again: a thread costs more than a wait
        const waiting = waiter.wait(5, { any: [{ wake: this.#wake }, ...things.map((thing) => JSON.parse(thing) as object)] });
        waiter.keepsAlive(idle === 0); // else the process may end
        const came = loads(await waiting) as { index: number }[] | null;
        this.#tell((came ?? []).filter(({ index }) => index > 0).map(({ index }) => this.#things.get(things[index - 1]!) ?? new Set()));
        if (this.#things.size > WATCHED) this.#tell(this.#things.values()); // so many that each looks by itself
      }
    } finally {
      await waiter.close();
      this.#tell(this.#things.values());
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#running === undefined) return;
    this.#waiter?.keepsAlive(true);
    await this.#database.call("wf_wake", this.#wake).catch(() => undefined);
    await this.#running;
  }
}
