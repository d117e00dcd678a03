// wfext, from Node's own node:sqlite.
import { DatabaseSync } from "node:sqlite";

export class System {
  static open(path, settings) {
    return new System(path, settings);
  }

  constructor(path, settings) {
    this.db = new DatabaseSync(path, { allowExtension: true, timeout: 5000 });
    this.db.loadExtension(process.env.WFEXT);
    this.db.exec("PRAGMA journal_mode = WAL");
    this.db.exec(`PRAGMA synchronous = ${settings.synchronous}`);
    this.statements = new Map();
    this.lease = JSON.stringify(settings.lease ? { lease: settings.lease } : {});
  }

  call(sql, ...values) {
    let statement = this.statements.get(sql);
    if (!statement) this.statements.set(sql, (statement = this.db.prepare(sql)));
    return statement.get(...values).it;
  }

  async job() {
    this.call("SELECT wf_start('bench', ?) AS it", '{"order": 17}');
    const claim = this.call("SELECT wf_claim() AS it");
    if (claim === null) return 0;
    const { token } = JSON.parse(claim);
    for (const name of ["reserve", "charge", "ship"]) this.call("SELECT wf_step(?, ?, ?) AS it", token, name, '{"ref": "r9"}');
    this.call("SELECT wf_complete(?, ?) AS it", token, '{"ok": true}');
    return 1;
  }

  enqueue(job) {
    this.call("SELECT wf_start('serve', ?) AS it", JSON.stringify(job));
  }

  async serve(steps, ready) {
    ready();
    for (;;) {
      this.call("SELECT wf_wait('10s') AS it");
      const claim = JSON.parse(this.call("SELECT wf_claim('default', NULL, ?) AS it", this.lease));
      if (!claim) continue;
      for (const [name, run] of steps) {
        if (this.call("SELECT wf_step(?, ?) AS it", claim.token, name) === null) {
          this.call("SELECT wf_step(?, ?, ?) AS it", claim.token, name, JSON.stringify(await run(claim.input)));
        }
      }
      this.call("SELECT wf_complete(?) AS it", claim.token);
    }
  }
}
