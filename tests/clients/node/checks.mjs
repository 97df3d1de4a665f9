// checks.mjs - how the programs here report: "ok NAME" or "not ok NAME: what was seen", exit 1 if one failed.
import assert from 'node:assert/strict';

let failed = 0;

/** Run one claim; it holds when `body` does not throw. */
export async function claim(name, body) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('no end after 20 s')), 20000);
  });
  try {
    await Promise.race([body(), late]);
    console.log(`ok ${name}`);
  } catch (fault) {
    failed++;
    console.log(`not ok ${name}: ${JSON.stringify(String(fault.stack ?? fault)).slice(0, 1500)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when `condition()` is true; rejects after five seconds. */
export async function until(condition) {
  const end = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`never came true: ${condition}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

export const port = Number(process.argv[2]);
export const masters = Number(process.argv[3] ?? 1);
export const finish = () => process.exit(failed ? 1 : 0);
export { assert };
