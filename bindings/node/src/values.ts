// Values: what goes into the file as JSON and what comes out of it. Strict on the way in: what JSON cannot hold is an error that names its place.
// A number is written as ECMAScript writes it. What is written in digits alone and is beyond 2^53 comes back as a bigint, whoever has written it: nothing is rounded, and its type goes by its size.

import { NotJSON } from "./errors.ts";

/** What a value is once it has been JSON: a Date is a string, void is null, functions cannot be. */
export type Json<T> = T extends string | number | boolean | bigint | null
  ? T
  : T extends undefined | void
    ? null
    : T extends { toJSON(): infer U }
      ? Json<U>
      : T extends (...args: never[]) => unknown
        ? never
        : T extends readonly unknown[]
          ? { [K in keyof T]: Json<T[K]> }
          : T extends object
            ? { [K in keyof T as T[K] extends (...args: never[]) => unknown ? never : K]: T[K] extends undefined ? never : Json<Exclude<T[K], undefined>> | (undefined extends T[K] ? undefined : never) }
            : unknown;

function text(value: string, path: string): string {
  if (!value.isWellFormed()) throw new NotJSON(`${path} has half a surrogate pair, which is no text`);
  return JSON.stringify(value);
}

function write(value: unknown, path: string, out: string[], above: Set<object>): void {
  switch (typeof value) {
    case "string":
      out.push(text(value, path));
      return;
    case "boolean":
    case "bigint":
      out.push(String(value));
      return;
    case "number":
      if (!Number.isFinite(value)) throw new NotJSON(`${path} is ${value}, which JSON cannot hold`);
      out.push(JSON.stringify(value));
      return;
    case "object":
      if (value === null) out.push("null");
      else writeObject(value, path, out, above);
      return;
    default:
      throw new NotJSON(`${path} is ${typeof value === "undefined" ? "undefined" : `a ${typeof value}`}, which JSON cannot hold`);
  }
}

/** Of no class, in whatever realm it was made. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "hasOwnProperty"));
}

function nameOf(value: object): string {
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  return tag !== "Object" ? tag : (value.constructor?.name || "object of a class");
}

function writeObject(value: object, path: string, out: string[], above: Set<object>): void {
  if (above.has(value)) throw new NotJSON(`${path} contains itself`);
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") {
    if (value instanceof Date && Number.isNaN(value.getTime())) throw new NotJSON(`${path} is a Date that is no time`);
    write((value as { toJSON(key: string): unknown }).toJSON(""), path, out, above);
    return;
  }
  above.add(value);
  if (Array.isArray(value)) {
    out.push("[");
    for (let i = 0; i < value.length; ++i) {
      if (i > 0) out.push(",");
      write(value[i], `${path}[${i}]`, out, above);
    }
    out.push("]");
  } else {
    if (!isPlain(value)) throw new NotJSON(`${path} is a ${nameOf(value)}, which JSON cannot hold: plain objects, arrays and what has toJSON() are JSON`);
    out.push("{");
    let first = true;
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue; // an optional property that is not there
      out.push(first ? "" : ",", text(key, `a key of ${path}`), ":");
      first = false;
      write(item, `${path}.${key}`, out, above);
    }
    out.push("}");
  }
  above.delete(value);
}

/** JSON text of the value; undefined is null. `what` names it in errors. */
export function dumps(value: unknown, what = "the value"): string {
  const out: string[] = [];
  write(value === undefined ? null : value, what, out, new Set());
  return out.join("");
}

function exact(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === "number" && !Number.isSafeInteger(value) && context?.source !== undefined && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
}

/** The value of a JSON text that the engine has given; null for NULL. */
export function loads(given: unknown): unknown {
  if (given === null || given === undefined) return null;
  const source = String(given);
  return /\d{16}/.test(source) ? JSON.parse(source, exact as (key: string, value: unknown) => unknown) : JSON.parse(source);
}
