/** The fixtures and helpers of all tests. */

import { test as base, type Page } from '@playwright/test';

import { Guard } from './guard';
import { newUser, type User } from './users';
import { Server, type Engine } from './server';

export { expect, type Page } from '@playwright/test';
export { expectAccessible } from './accessible';
export { ageSignIns, makeSuperuser, newUser, signIn, signOut, type User } from './users';
export { pictures } from './pictures';
export { Server } from './server';

export type Options = { engine: Engine };

type Fixtures = {
  /** Fails the test if anything went wrong in the browser; see {@link Guard.allow}. */
  guard: Guard;
  /** A user with an account, not signed in yet. */
  user: User;
  /** Opens a page in a new browser context, which shares no data with the others. */
  otherBrowser: () => Promise<Page>;
};

export const test = base.extend<Fixtures, Options & { server: Server }>({
  engine: ['sqlite', { option: true, scope: 'worker' }],

  server: [
    async ({ engine }, use) => {
      const server = await Server.start(engine);
      await use(server);
      await server.stop();
    },
    { scope: 'worker' },
  ],

  baseURL: ({ server }, use) => use(server.url),

  guard: [
    async ({ context, server }, use, info) => {
      const guard = new Guard(server.url);
      guard.watch(context);
      await use(guard);
      if (info.status !== info.expectedStatus) await info.attach('server.log', { body: server.log });
      const found = guard.unexpectedErrors();
      if (found.length) throw new Error(`The browser reported:\n${found.join('\n')}`);
    },
    { auto: true },
  ],

  user: async ({ server }, use) => use(await newUser(server.url)),

  otherBrowser: async ({ browser, guard }, use) => {
    const contexts: Awaited<ReturnType<typeof browser.newContext>>[] = [];
    await use(async () => {
      const context = await browser.newContext();
      contexts.push(context);
      guard.watch(context);
      return context.newPage();
    });
    for (const context of contexts) await context.close();
  },
});
