/** Runs the real binary on a free port, with its own data directory and database. */

import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { bounded } from './bounded';
import { run, stopProcess } from './processes';

const here = import.meta.dirname;

export type Engine = 'sqlite' | 'postgres';

export class Server {
  private constructor(
    /** The address of the server, such as `http://127.0.0.1:40123`. */
    readonly url: string,
    /** The data directory. */
    readonly folder: string,
    private child: ChildProcess,
    /** Environment variables that locate the server's data. */
    private readonly environment: NodeJS.ProcessEnv,
    private readonly launch: (listen: string) => ChildProcess,
    private readonly output: string[],
    private readonly cleanUp: () => Promise<void>,
  ) {}

  /** Starts a server with additional settings (`SOTTO_REGISTRATION: 'closed'`), and waits until it is ready. */
  static async start(engine: Engine = 'sqlite', settings: Record<string, string> = {}): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), 'sotto-e2e-'));
    const database = engine === 'postgres' ? await createDatabase() : undefined;
    const cleanUp = async () => {
      try {
        await database?.drop();
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    };
    const environment = {
      PATH: process.env.PATH,
      SOTTO_DATA_DIR: folder,
      ...(database && { SOTTO_DATABASE: database.url }),
    };
    const output: string[] = [];
    const launch = (listen: string) => {
      const child = spawn(binary(), ['serve'], {
        cwd: folder,
        env: {
          ...environment,
          SOTTO_LISTEN: listen,
          SOTTO_RATE_LIMITS: 'off',
          SOTTO_REGISTRATION: 'open',
          SOTTO_LOG: 'warn',
          ...webAppSettings(),
          ...settings,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => output.push(text));
      return child;
    };
    const child = launch('127.0.0.1:0');
    try {
      const server = new Server(await address(child, output), folder, child, environment, launch, output, cleanUp);
      await server.ready();
      return server;
    } catch (error) {
      try {
        await stopProcess('the server', child);
      } finally {
        await cleanUp();
      }
      throw error;
    }
  }

  /** The server's log so far. */
  get log(): string {
    return this.output.join('');
  }

  /** Runs a command on the same data, as an operator does: `server.command(['db', 'check'])`. */
  async command(arguments_: string[], input = ''): Promise<void> {
    await run(binary(), arguments_, { env: this.environment, input });
  }

  /** Runs SQL directly on the database, for rows that the API would not create. */
  async sql(statement: string): Promise<void> {
    const { SOTTO_DATABASE: address, SOTTO_DATA_DIR: folder } = this.environment;
    if (address) await run('psql', ['--no-psqlrc', '--quiet', address, '--command', statement]);
    else await run('sqlite3', [join(folder!, 'journal.db'), `PRAGMA busy_timeout = 10000; ${statement}`]);
  }

  /** Stops the server and deletes its data. Does nothing if that has been done before. */
  async stop(): Promise<void> {
    try {
      await this.end();
    } finally {
      await this.cleanUp();
    }
  }

  /** Stops the server, runs the given function, and starts the server again with the same address and data. */
  async restart(whileStopped: () => Promise<void>): Promise<void> {
    await this.end();
    await whileStopped();
    this.child = this.launch(new URL(this.url).host);
    await address(this.child, this.output);
    await this.ready();
  }

  private end(): Promise<void> {
    return stopProcess('the server', this.child, { details: () => this.log });
  }

  private async ready(): Promise<void> {
    const deadline = AbortSignal.timeout(60_000);
    while (!deadline.aborted) {
      const health = await fetch(`${this.url}/health/ready`, { signal: deadline }).catch(() => undefined);
      if (health?.ok) return;
      if (this.child.exitCode !== null) throw new Error(`the server has ended: ${this.log}`);
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`waited 60 s for the server to be ready: ${this.log}`);
  }
}

function binary(): string {
  return resolve(here, '..', process.env.SOTTO_BIN ?? '../target/debug/sotto');
}

/**
 * Serves the app from `web/dist` or `SOTTO_WEB_DIR`. `SOTTO_WEB_DIR=binary` tests the app that is built into the
 * binary.
 */
function webAppSettings(): Record<string, string> {
  const folder = process.env.SOTTO_WEB_DIR ?? '../web/dist';
  return folder === 'binary' ? {} : { SOTTO_WEB_DIR: resolve(here, '..', folder) };
}

/** Waits for the greeting on standard output and returns the address in it. */
async function address(child: ChildProcess, log: string[]): Promise<string> {
  const printed = new Promise<string>((found, failed) => {
    let greeting = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      greeting += text;
      const url = /Open\s+(http:\S+?)\/?\s/.exec(greeting)?.[1];
      if (url) found(url);
    });
    child.once('error', (error) => failed(new Error(`${binary()} cannot be started (cargo build?): ${error.message}`)));
    child.once('exit', (code) => failed(new Error(`the server ended with code ${code}: ${log.join('')}`)));
  });
  return bounded('the server to print its address', printed, { details: () => log.join('') });
}

async function createDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const cluster = process.env.SOTTO_TEST_POSTGRES;
  if (!cluster) throw new Error('PostgreSQL is needed: run this under scripts/with-postgres');
  const name = `sotto_e2e_${randomBytes(6).toString('hex')}`;
  const sql = (statement: string) => run('psql', ['--no-psqlrc', '--quiet', cluster, '--command', statement]);
  await sql(`CREATE DATABASE ${name}`);
  const url = new URL(cluster);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: async () => {
      await sql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}
