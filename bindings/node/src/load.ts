// The library itself, for those who want the functions alone.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { shown } from "./check.ts";
import { WfextError } from "./errors.ts";

/**
 * Path of the extension, as loadExtension() wants it. The environment variable WFEXT_LIBRARY goes before what the platform's package brings.
 * Throws where neither is there.
 */
export function loadablePath(): string {
  const given = process.env["WFEXT_LIBRARY"];
  if (given !== undefined && given !== "") {
    if (!existsSync(given)) throw new WfextError(`WFEXT_LIBRARY names ${given}, which is not there`);
    return given;
  }
  const name = process.platform === "win32" ? "wfext.dll" : process.platform === "darwin" ? "libwfext.dylib" : "libwfext.so";
  const platform = `@wfext/${process.platform}-${process.arch}`;
  try {
    return createRequire(import.meta.url).resolve(`${platform}/${name}`);
  } catch {
    throw new WfextError(`there is no library for this platform: the package ${platform} is not installed; or set WFEXT_LIBRARY to its path`);
  }
}

/** Loads the extension into an open database of node:sqlite (with allowExtension), better-sqlite3 or a driver like them. */
export function load(db: { loadExtension(path: string): unknown }): void {
  if (typeof (db as { loadExtension?: unknown } | undefined)?.loadExtension !== "function") throw new WfextError(`load() was given ${shown(db)}: an open database that has loadExtension()`);
  db.loadExtension(loadablePath());
}
