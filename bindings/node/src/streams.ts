// Streams that an attempt appends to. What its code appends is a record, `append <stream>`: the item's offset. So a replay appends nothing twice, whatever steps append beside it.

import type { Attempt } from "./attempt.ts";
import { scope } from "./scope.ts";
import { dumps } from "./values.ts";

export class Streams {
  readonly #attempt: Attempt;
  #ends = new Map<string, Promise<number>>();

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }

  /** Where it stands in the stream. */
  append(stream: string, value: unknown): Promise<number> {
    const attempt = this.#attempt;
    if (scope.getStore()?.step !== undefined) return attempt.call("wf_append", stream, dumps(value, `an item of ${stream}`)) as Promise<number>; // no replay runs it again
    const step = attempt.take(`append ${stream}`, true);
    const appending = async (): Promise<number> => {
      const given = dumps(value, `an item of ${stream}`);
      const stands = attempt.outcome(step)?.[0] as number | undefined;
      if (stands !== undefined && (attempt.replaysOnly || stands <= (await this.#last(stream)))) return stands;
      attempt.begin();
      return (await attempt.stands(() => attempt.record("wf_append", stream, given, attempt.options({ step })))) as number;
    };
    return attempt.guard(appending());
  }

  // The last item that it had when this attempt came to it. A fork has the records of another workflow, and no items.
  #last(stream: string): Promise<number> {
    let last = this.#ends.get(stream);
    if (last === undefined) this.#ends.set(stream, (last = this.#attempt.calling(() => this.#readLast(stream))));
    return last;
  }

  async #readLast(stream: string): Promise<number> {
    const rows = await this.#attempt.rows('SELECT "offset" FROM wf_streams WHERE workflow_id = ? AND stream = ? ORDER BY "offset" DESC LIMIT 1', this.#attempt.claim.id, stream);
    return (rows[0]?.[0] as number | undefined) ?? -1;
  }
}
