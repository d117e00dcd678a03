// Writes the packages that npm installs: `wfext`, and `@wfext/<platform>` with the library of each platform that is named. All have the extension's version.
//   node pack.mjs <folder of the built package> <where the tarballs go> [<platform>=<library> ...]      without any: the one that WFEXT_LIBRARY names, for this machine
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";

const PLATFORMS = ["darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64", "win32-arm64", "win32-x64"];
const [built, out] = process.argv.slice(2, 4).map((path) => resolve(path));
const libraries = process.argv.slice(4).map((each) => each.split("=", 2));
if (libraries.length === 0) {
  if (process.env.WFEXT_LIBRARY === undefined) throw new Error("WFEXT_LIBRARY names the library that is packed");
  libraries.push([`${process.platform}-${process.arch}`, process.env.WFEXT_LIBRARY]);
}
const given = JSON.parse(readFileSync(join(built, "package.json"), "utf8"));
const { private: _, devDependencies: __, scripts: ___, ...main } = given;
main.optionalDependencies = Object.fromEntries(PLATFORMS.map((each) => [`@wfext/${each}`, given.version]));

function pack(json, files) {
  const folder = mkdtempSync(join(tmpdir(), "wfext-pack-"));
  writeFileSync(join(folder, "package.json"), JSON.stringify(json, null, 2) + "\n");
  for (const [from, to] of files) cpSync(from, join(folder, to), { recursive: true });
  console.log(execFileSync("npm", ["pack", "--silent", "--pack-destination", out], { cwd: folder, encoding: "utf8" }).trim());
  rmSync(folder, { recursive: true });
}

mkdirSync(out, { recursive: true });
pack(main, [[join(built, "dist"), "dist"], [join(built, "README.md"), "README.md"]]);
for (const [platform, library] of libraries) {
  if (!PLATFORMS.includes(platform)) throw new Error(`${platform} is none of the platforms that the package looks for: ${PLATFORMS}`);
  const [os, cpu] = platform.split("-");
  const json = { name: `@wfext/${platform}`, version: given.version, description: `The library of wfext for ${platform}`, license: given.license, os: [os], cpu: [cpu], files: [basename(library)] };
  pack(json, [[library, basename(library)]]);
}
