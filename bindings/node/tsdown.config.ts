import { defineConfig } from "tsdown";

export default defineConfig([
  { entry: ["src/index.ts"], format: ["esm", "cjs"], dts: true, shims: true, platform: "node", target: "node22" },
  { entry: ["src/thread.ts"], format: ["esm"], dts: false, platform: "node", target: "node22", clean: false },
]);
