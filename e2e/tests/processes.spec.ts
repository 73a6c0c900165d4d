/** The helpers that run programs beside the browser end each of them. */

import { spawn } from 'node:child_process';

import { run, stopProcess } from '../support/processes';
import { expect, test } from '../support/test';

test('a program that ignores SIGTERM is killed and reported', async () => {
  const child = spawn('bash', ['-c', 'trap "" TERM; echo ready; while true; do sleep 0.1; done']);
  await new Promise((ready) => child.stdout.once('data', ready));
  await expect(stopProcess('the program', child, { seconds: 1, details: () => 'its log' })).rejects.toThrow(
    'waited 1 s for the program to stop after SIGTERM: its log',
  );
  expect(child.signalCode).toBe('SIGKILL');
});

test('a program that stops after SIGTERM is not killed', async () => {
  const child = spawn('sleep', ['600']);
  await stopProcess('the program', child);
  expect(child.signalCode).toBe('SIGTERM');
});

test('a program that does not end is killed and named', async () => {
  await expect(run('sleep', ['600'], { seconds: 1 })).rejects.toThrow('waited 1 s for sleep 600');
  const { stdout } = await run('cat', [], { input: 'text' });
  expect(stdout).toBe('text');
});
