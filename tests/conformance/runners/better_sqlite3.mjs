// better-sqlite3.
import Database from "better-sqlite3";
import { module, play } from "./protocol.mjs";

function open(path) {
  // [load]
  const db = new Database(path);
  db.defaultSafeIntegers(true); // else integers over 2^53 are rounded
  db.loadExtension(module);
  // [/load]
  return { db, statements: new Map() };
}

function prepare(db, sql) {
  const statement = db.prepare(sql);
  return statement.reader ? statement.raw(true) : statement;
}

function run({ db, statements }, sql, parameters, reuse) {
  if (reuse && !statements.has(sql)) statements.set(sql, prepare(db, sql));
  const statement = reuse ? statements.get(sql) : prepare(db, sql);
  // It takes ?1 for the name 1; plain ? are bound in order.
  const bound = parameters.length ? [Object.fromEntries(parameters.map((value, at) => [at + 1, value]))] : [];
  return statement.reader ? statement.all(...bound) : (statement.run(...bound), []);
}

if (module === "version") console.log(new Database(":memory:").prepare("SELECT sqlite_version()").pluck().get());
else play({ open, run, close: ({ db }) => db.close(), code: (error) => error.code });
