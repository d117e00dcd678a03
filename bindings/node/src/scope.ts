// Where code runs: in a workflow, in a branch of one, or in a step of it.

import { AsyncLocalStorage } from "node:async_hooks";
import { Mistake } from "./errors.ts";
import type { Called, Flight, Names } from "./names.ts";
import type { StepContext } from "./steps.ts";

export interface Scope {
  /** Of a branch of map(); else those of the attempt. */
  branch?: { names: Names; flight: Flight };
  /** What the code here has called last. */
  last?: Called;
  /** Inside of which step, and what its function was given. */
  step?: string;
  context?: StepContext;
}

export const scope = new AsyncLocalStorage<Scope>();

/** For what would be done again by every replay. Inside of a step it is recorded with that. */
export function refuseInside(what: string, instead: string): void {
  const inside = scope.getStore();
  if (inside !== undefined && inside.step === undefined) throw new Mistake(`${what} inside of a workflow would not be recorded: ${instead}`);
}
