// What the runners in JavaScript have in common: README.md says what the lines mean.
import { readFileSync } from "node:fs";

const [module, lines, folder] = process.argv.slice(2);
export { module };

function decode(cell, kept) {
  const rest = cell.slice(1);
  switch (cell[0]) {
    case "n": return null;
    case "i": return BigInt(rest);
    case "r": return Number(rest);
    case "t": return Buffer.from(rest, "hex").toString("utf8");
    case "b": return Buffer.from(rest, "hex");
    case "k": return kept[rest];
  }
}

function encode(value) {
  if (value === null) return "n";
  if (typeof value === "bigint") return `i${value}`;
  if (typeof value === "number") return `r${value}`; // integers come as bigint
  return typeof value === "string" ? "t" + Buffer.from(value, "utf8").toString("hex") : "b" + Buffer.from(value).toString("hex");
}

/** open(path) gives a connection; run(connection, sql, parameters, reuse) its rows, as arrays; code(error) is SQLite's result code. */
export function play({ open, run, close, code }) {
  let path, connections = {}, kept = {}, last;
  const out = [];
  for (const line of readFileSync(lines, "utf8").split("\n").slice(0, -1)) {
    const [op, ...fields] = line.split("\t");
    if (op === "case") {
      Object.values(connections).forEach(close);
      [path, connections, kept] = [`${folder}/${fields[0]}.db`, {}, {}];
    } else if (op === "open") connections[fields[0]] = open(path);
    else if (op === "close") {
      close(connections[fields[0]]);
    } else if (op === "keep") kept[fields[0]] = last;
    else {
      try {
        const rows = run(connections[fields[0]], fields[1], fields.slice(2).map((cell) => decode(cell, kept)), op === "reuse");
        last = rows.length ? rows[0][0] : null;
        out.push([`=${rows.length}`, ...rows.flat().map(encode)].join("\t"));
      } catch (error) {
        out.push(`!${code(error) ?? "?"}\t${Buffer.from(String(error.message), "utf8").toString("hex")}`);
      }
    }
  }
  Object.values(connections).forEach(close);
  process.stdout.write(out.map((line) => line + "\n").join(""));
}
