/** Programs that run beside the browser. None of them outlives its test, even if it hangs. */

import { execFile, type ChildProcess, type ExecFileOptions } from 'node:child_process';

import { bounded } from './bounded';

type Run = Pick<ExecFileOptions, 'cwd' | 'env'> & { input?: string; seconds?: number };

/** Runs a program to its end and returns its output. Kills it after 60 or the given number of seconds, and fails. */
export function run(program: string, arguments_: string[], options: Run = {}): Promise<{ stdout: string }> {
  const { input = '', seconds = 60, ...rest } = options;
  return new Promise((done, failed) => {
    const child = execFile(
      program,
      arguments_,
      { ...rest, timeout: seconds * 1000, killSignal: 'SIGKILL', maxBuffer: 1 << 26 },
      (error, stdout) => {
        if (error?.killed) failed(new Error(`waited ${seconds} s for ${program} ${arguments_.join(' ')}`));
        else if (error) failed(new Error(error.message, { cause: error }));
        else done({ stdout });
      },
    );
    // A program that ends without reading its input is no fault.
    child.stdin!.on('error', () => {});
    child.stdin!.end(input);
  });
}

/**
 * Stops a running program with SIGTERM, as a service manager does. If it is still running after 60 or the given number
 * of seconds, kills it and fails.
 */
export async function stopProcess(
  name: string,
  child: ChildProcess,
  bound: { seconds?: number; details?: () => string } = {},
): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  try {
    await bounded(`${name} to stop after SIGTERM`, ended, bound);
  } catch (error) {
    child.kill('SIGKILL');
    await bounded(`${name} to end after SIGKILL`, ended);
    throw error;
  }
}
