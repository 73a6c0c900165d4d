// @vitest-environment jsdom
import { beforeEach, expect, test, vi } from 'vitest';

let steps: typeof import('./history-steps');

beforeEach(async () => {
  vi.resetModules();
  history.replaceState({ router: 0 }, '');
  steps = await import('./history-steps');
  steps.markHistoryStep(false);
});

/** Acts like the router, which sets its own state and then calls the hook. */
function push() {
  history.pushState({ router: 1 }, '');
  steps.markHistoryStep(false);
}
function replace() {
  history.replaceState({ router: 1 }, '');
  steps.markHistoryStep(true);
}
async function go(by: number) {
  const moved = new Promise((done) => addEventListener('popstate', done, { once: true }));
  history.go(by);
  await moved;
  steps.markHistoryStep(false);
}

test('each new history entry has a higher number than those before it', async () => {
  expect(steps.historyStep()).toBe(1);
  push();
  push();
  expect(steps.historyStep()).toBe(3);
  await go(-2);
  expect(steps.historyStep()).toBe(1);
  push();
  expect(steps.historyStep()).toBe(4);
});

test("a replaced history entry keeps its number and the router's state", async () => {
  push();
  push();
  await go(-1);
  replace();
  expect(steps.historyStep()).toBe(2);
  expect(history.state).toMatchObject({ router: 1 });
  await go(1);
  expect(steps.historyStep()).toBe(3);
});

test('after a reload, the numbers continue', async () => {
  push();
  vi.resetModules();
  steps = await import('./history-steps');
  steps.markHistoryStep(false);
  expect(steps.historyStep()).toBe(2);
  push();
  expect(steps.historyStep()).toBe(3);
});
