/** A server with a sign-in provider: the certified oidc-provider, on this machine, as in the server's own tests. */

import { spawn } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { resolve } from 'node:path';

import { bounded } from './bounded';
import { stopProcess } from './processes';
import type { Engine } from './server';
import { Server } from './server';

const PROVIDER = resolve(import.meta.dirname, '../../crates/server/tests/oidc/provider.mjs');

/** Starts the provider and the server, each with the other's address. The sign-in button says "Our house". */
export async function startWithProvider(
  engine: Engine,
): Promise<{ server: Server; issuer: string; stop: () => Promise<void> }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const provider = spawn(process.execPath, [PROVIDER, `${url}/api/auth/oidc/home/callback`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stopProvider = () => stopProcess('the provider', provider);
  try {
    const { issuer, client_id, client_secret } = await bounded(
      'the provider to print its address',
      new Promise<Record<string, string>>((found, failed) => {
        provider.stdout.setEncoding('utf8').once('data', (line: string) => found(JSON.parse(line)));
        provider.once('exit', (code) =>
          failed(new Error(`the provider ended with code ${code} (npm ci beside ${PROVIDER}?)`)),
        );
      }),
    );
    const server = await Server.start(engine, {
      SOTTO_LISTEN: `127.0.0.1:${port}`,
      SOTTO_PUBLIC_URL: url,
      SOTTO_OIDC_ID: 'home',
      SOTTO_OIDC_NAME: 'Our house',
      SOTTO_OIDC_ISSUER: issuer!,
      SOTTO_OIDC_CLIENT_ID: client_id!,
      SOTTO_OIDC_CLIENT_SECRET: client_secret!,
    });
    const stop = async () => {
      try {
        await server.stop();
      } finally {
        await stopProvider();
      }
    };
    return { server, issuer: issuer!, stop };
  } catch (error) {
    await stopProvider();
    throw error;
  }
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => listener.once('listening', done));
  const { port } = listener.address() as AddressInfo;
  await new Promise((done) => listener.close(done));
  return port;
}
