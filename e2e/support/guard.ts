/** Watches everything that a browser does during a test: what goes wrong there fails the test, even if nobody looks. */

import type { BrowserContext } from '@playwright/test';

export class Guard {
  private readonly faults: string[] = [];
  private readonly allowed: RegExp[] = [];

  private readonly servers: Set<string>;

  constructor(server: string) {
    this.servers = new Set([server]);
  }

  /** Lets pass what a test brings about on purpose: `guard.allow(/ERR_INTERNET_DISCONNECTED/)`. */
  allow(...faults: RegExp[]): void {
    this.allowed.push(...faults);
  }

  /** Says that pages may visit this server as well, such as `http://127.0.0.1:40123`. */
  visit(server: string): void {
    this.servers.add(server);
  }

  /** Watches all pages of a context, those to come as well. */
  watch(context: BrowserContext): void {
    // Violations of the policy are errors of the console, too.
    context.on('console', (message) => {
      // A header that Chromium does not understand is a warning of its own kind.
      const wrong = message.type() === 'error' || message.text().startsWith('Error with ');
      if (!wrong || isRefusal(message.text(), message.location().url)) return;
      this.faults.push(`console: ${message.text()} (${message.location().url})`);
    });
    context.on('weberror', (error) => this.faults.push(`page: ${error.error().stack ?? error.error().message}`));
    context.on('request', (request) => {
      const url = new URL(request.url());
      if (!this.servers.has(url.origin) && url.protocol !== 'blob:') this.faults.push(`third party: ${request.url()}`);
    });
  }

  /** What went wrong and was not to be expected. */
  found(): string[] {
    return this.faults.filter((fault) => !this.allowed.some((allowed) => allowed.test(fault)));
  }
}

/** Chromium logs each answer of 4xx. From the API, that is what the page asked for. */
function isRefusal(text: string, url: string): boolean {
  return /^Failed to load resource: .* status of 4\d\d /.test(text) && /^https?:\/\/[^/]+\/api\//.test(url);
}
