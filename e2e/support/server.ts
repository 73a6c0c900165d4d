/** The real binary, on a free port, with a data directory and a database of its own. */

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = import.meta.dirname;

export type Engine = 'sqlite' | 'postgres';

export class Server {
  private constructor(
    /** Where it listens, such as `http://127.0.0.1:40123`. */
    readonly url: string,
    /** Its data directory. */
    readonly folder: string,
    private child: ChildProcess,
    /** Where the program finds its data. */
    private readonly environment: NodeJS.ProcessEnv,
    private readonly launch: (listen: string) => ChildProcess,
    private readonly output: string[],
    private readonly forget: () => Promise<void>,
  ) {}

  /** Starts one, with these settings besides (`SOTTO_REGISTRATION: 'closed'`), and waits until it is ready. */
  static async start(engine: Engine = 'sqlite', settings: Record<string, string> = {}): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), 'sotto-e2e-'));
    const database = engine === 'postgres' ? await makeDatabase() : undefined;
    const forget = async () => {
      await database?.drop();
      await rm(folder, { recursive: true, force: true });
    };
    const environment = { PATH: process.env.PATH, SOTTO_DATA_DIR: folder, ...(database && { SOTTO_DATABASE: database.url }) };
    const output: string[] = [];
    const launch = (listen: string) => {
      const child = spawn(program(), ['serve'], {
        cwd: folder,
        env: {
          ...environment,
          SOTTO_LISTEN: listen,
          SOTTO_RATE_LIMITS: 'off',
          SOTTO_LOG: 'warn',
          ...app(),
          ...settings,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => output.push(text));
      return child;
    };
    const child = launch('127.0.0.1:0');
    try {
      const server = new Server(await address(child, output), folder, child, environment, launch, output, forget);
      await server.ready();
      return server;
    } catch (error) {
      child.kill();
      await forget();
      throw error;
    }
  }

  /** What it has logged. */
  get log(): string {
    return this.output.join('');
  }

  /** Runs a command on the same data, as whoever runs the server does: `server.command(['db', 'check'])`. */
  async command(arguments_: string[], input = ''): Promise<void> {
    const running = run(program(), arguments_, { env: this.environment });
    running.child.stdin!.end(input);
    await running;
  }

  /** Stops it as a service manager does, and removes what was its own. */
  async stop(): Promise<void> {
    await this.end();
    await this.forget();
  }

  /** Stops it, runs something without it, and starts it again at the same address with the same data. */
  async restart(meanwhile: () => Promise<void>): Promise<void> {
    await this.end();
    await meanwhile();
    this.child = this.launch(new URL(this.url).host);
    await address(this.child, this.output);
    await this.ready();
  }

  private async end(): Promise<void> {
    const ended = new Promise((done) => this.child.once('exit', done));
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGTERM');
    await ended;
  }

  private async ready(): Promise<void> {
    for (;;) {
      const health = await fetch(`${this.url}/health/ready`).catch(() => undefined);
      if (health?.ok) return;
      if (this.child.exitCode !== null) throw new Error(`the server has ended: ${this.log}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

function program(): string {
  return resolve(here, '..', process.env.SOTTO_BIN ?? '../target/debug/sotto');
}

/** The app is served from `web/dist`, or from `SOTTO_WEB_DIR`; `SOTTO_WEB_DIR=binary` tests the one in the binary. */
function app(): Record<string, string> {
  const folder = process.env.SOTTO_WEB_DIR ?? '../web/dist';
  return folder === 'binary' ? {} : { SOTTO_WEB_DIR: resolve(here, '..', folder) };
}

/** The address from the greeting, once it is printed. */
async function address(child: ChildProcess, log: string[]): Promise<string> {
  return new Promise((found, failed) => {
    let greeting = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      greeting += text;
      const url = /Open\s+(http:\S+?)\/?\s/.exec(greeting)?.[1];
      if (url) found(url);
    });
    child.once('error', (error) => failed(new Error(`${program()} cannot be started (cargo build?): ${error.message}`)));
    child.once('exit', (code) => failed(new Error(`the server ended with code ${code}: ${log.join('')}`)));
  });
}

async function makeDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
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
      await sql(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}
