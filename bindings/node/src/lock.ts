// The name of a worker, which no other living process on this machine has. SQLite holds it: a lock on a file of its own, which goes with the process, however that ends.

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Database } from "./database.ts";
import { openPlain } from "./driver.ts";
import { WfextError } from "./errors.ts";

export interface HeldName {
  name: string;
  /** Whether it is held: what was claimed under it before is that of a process that is gone. */
  isLocked: boolean;
  release(): void;
}

function lock(database: Database, name: string): (() => void) | undefined {
  const file = openPlain(database.settings.driver, `${database.path}.worker-${name.replaceAll("/", "_").replaceAll(":", "-")}.lock`, 0);
  try {
    file.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    file.close();
    if (/locked/.test(String(error))) return undefined;
    throw error;
  }
  return () => file.close();
}

/** The given name, or the first of the host's that is free. */
export function holdName(database: Database, given: string | undefined): HeldName {
  if (database.path === ":memory:") return { name: given ?? `${hostname()}:node-${randomBytes(4).toString("hex")}`, isLocked: false, release: () => undefined };
  for (let n = 1; n < 1000; ++n) {
    const name = given ?? `${hostname()}:node-${n}`; // not those of other languages, whose locks are of another kind
    const release = lock(database, name);
    if (release !== undefined) return { name, isLocked: true, release };
    if (given !== undefined) throw new WfextError(`a worker of the name ${JSON.stringify(given)} is running on this file already`);
  }
  throw new WfextError("a thousand workers of this host are running on this file");
}
