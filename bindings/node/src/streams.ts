// Streams that an attempt appends to. Its code numbers what it appends, so that a replay does not repeat it; the offsets of a stream go on over the periods of a workflow.

import type { Attempt } from "./attempt.ts";
import { scope } from "./scope.ts";
import { dumps } from "./values.ts";

export class Streams {
  readonly #attempt: Attempt;
  #counts = new Map<string, number>();
  #firsts = new Map<string, Promise<number>>();

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }

  /** Where it stands in the stream. The number of the item is taken at once. */
  append(stream: string, value: unknown): Promise<number> {
    const attempt = this.#attempt;
    if (scope.getStore()?.step !== undefined) return attempt.call("wf_append", stream, dumps(value, `an item of ${stream}`)) as Promise<number>; // no replay runs it again
    const n = this.#counts.get(stream) ?? 0;
    this.#counts.set(stream, n + 1);
    const appending = async (): Promise<number> => {
      const given = dumps(value, `an item of ${stream}`);
      if (attempt.replaysOnly) return n;
      attempt.begin();
      return (await attempt.calling(async () => attempt.call("wf_append", stream, given, JSON.stringify({ offset: (await this.#first(stream)) + n })))) as number; // a wait beside it is handed over after it
    };
    return attempt.guard(appending());
  }

  #first(stream: string): Promise<number> {
    let first = this.#firsts.get(stream);
    if (first === undefined) this.#firsts.set(stream, (first = this.#findFirst(stream)));
    return first;
  }

  // In the first period the code's own first item is that of the stream. Later ones record where they go on.
  async #findFirst(stream: string): Promise<number> {
    const attempt = this.#attempt;
    const step = attempt.own(`stream ${stream}`);
    const [[period]] = (await attempt.database.rows("SELECT period FROM wf_workflows WHERE id = ?", attempt.claim.id)) as [[number]];
    if (period === 1) return 0; // also in a fork, which has the records of another, and no items
    const outcome = attempt.outcome(step);
    if (outcome !== undefined) return outcome[0] as number;
    const end = (await attempt.record("wf_append", stream, "[]", JSON.stringify({ each: true }))) as number;
    await attempt.stands(() => attempt.record("wf_step", step, String(end), attempt.options()));
    return end;
  }
}
