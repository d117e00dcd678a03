// What is given from outside, looked at before anything is done with it. An error names the option and the value.

import { Mistake } from "./errors.ts";

/** As it is shown in an error. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "an array";
  if (value !== null && typeof value === "object") return `an object${Object.keys(value).length > 0 ? ` with ${Object.keys(value).slice(0, 5).join(", ")}` : ""}`;
  return String(value);
}

/** A text that is not empty. */
export function checkText(what: string, value: unknown): string {
  if (typeof value !== "string" || value === "") throw new Mistake(`${what} is ${shown(value)}: a text that is not empty`);
  return value;
}

export function checkTexts(what: string, value: unknown, none = false): string[] {
  if (!Array.isArray(value) || (value.length === 0 && !none) || !value.every((each) => typeof each === "string" && each !== "")) throw new Mistake(`${what} is ${shown(value)}: an array of texts${none ? "" : ", and not empty"}`);
  return value as string[];
}

/** Seconds. */
export function checkSeconds(what: string, value: unknown): number {
  if (typeof value !== "number" || !(value >= 0)) throw new Mistake(`${what} is ${shown(value)}: a number of seconds, 0 or more`);
  return value;
}

/** An object whose keys are among these. */
export function checkKeys<T extends object>(what: string, given: T, keys: readonly string[]): T {
  if (given === null || typeof given !== "object" || Array.isArray(given)) throw new Mistake(`the options of ${what} are ${shown(given)}: an object`);
  for (const key of Object.keys(given)) if (!keys.includes(key)) throw new Mistake(`${what} has no option ${JSON.stringify(key)}: ${keys.join(", ")}`);
  return given;
}

export function checkArray<T>(what: string, value: readonly T[]): readonly T[] {
  if (!Array.isArray(value)) throw new Mistake(`${what} are ${shown(value)}: an array`);
  return value;
}

/** What SQL can take. */
export function checkParams(where: string, params: unknown[]): void {
  params.forEach((value, i) => {
    const fits = value === null || ["number", "bigint", "string"].includes(typeof value) || ArrayBuffer.isView(value);
    if (!fits) throw new Mistake(`parameter ${i + 1} of ${where} is ${shown(value)}: null, a number, a bigint, a text or bytes`);
  });
}
