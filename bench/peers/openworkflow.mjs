// OpenWorkflow with its SQLite backend. As shipped: its worker's own loop, several runs waiting for it at any time. At its best: a busy timeout and
// synchronous set through the backend's own connection (it has no options for them), its worker's tick() called as soon as there is work.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// It is installed below build/, not beside this file.
const require = createRequire(process.env.PEERS_NODE + "/package.json");
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { OpenWorkflow } = await load("openworkflow");
const { BackendSqlite } = await load("openworkflow/sqlite");

const turn = () => new Promise((done) => setImmediate(done));
const WAITING = 20;

export class System {
  static async open(path, settings) {
    console.error = () => {};
    for (let i = 0; ; i++) {
      try {
        return new System(BackendSqlite.connect(path), settings);
      } catch (failure) {
        if (i === 200) throw failure;  // several processes open the file at once, and none of them waits
        await new Promise((done) => setTimeout(done, 10));
      }
    }
  }

  constructor(backend, settings) {
    this.backend = backend;
    this.best = settings.best;
    if (this.best) {
      backend.db.exec("PRAGMA busy_timeout = 30000");
      backend.db.exec(`PRAGMA synchronous = ${settings.synchronous}`);
    }
    this.ow = new OpenWorkflow({ backend });
    this.done = 0;
    this.started = 0;
    this.bench = this.ow.defineWorkflow({ name: "bench" }, async ({ step }) => {
      for (const name of ["reserve", "charge", "ship"]) await step.run({ name }, async () => ({ ref: "r9" }));
      this.done++;
      return { ok: true };
    });
    this.served = this.ow.defineWorkflow({ name: "served" }, async ({ input, step }) => {
      for (const [name, run] of this.steps) await step.run({ name }, () => run(input));
    });
    this.worker = this.ow.newWorker();
  }

  async job() {
    const before = this.done;
    if (this.best) {
      await this.bench.run({ order: 17 });
      await this.worker.tick();
      while (this.worker.activeExecutions.size) await turn();
      return this.done - before;
    }
    if (!this.worker.running) await this.worker.start();
    for (; this.started - this.done < WAITING; this.started++) await this.bench.run({ order: 17 });
    while (this.done === before) await new Promise((done) => setTimeout(done, 1));
    return this.done - before;
  }

  enqueue(job) {
    return this.served.run(job);
  }

  async serve(steps, ready) {
    this.steps = steps;
    await this.worker.start();
    ready();
    await new Promise(() => {});
  }
}
