/**
 * Watches the browser during a test and collects errors that the test does not check itself. Each of them fails the
 * test.
 */

import type { BrowserContext } from '@playwright/test';

export class Guard {
  private readonly faults: string[] = [];
  private readonly allowed: RegExp[] = [];

  private readonly servers: Set<string>;

  constructor(server: string) {
    this.servers = new Set([server]);
  }

  /** Allows errors that a test causes on purpose: `guard.allow(/ERR_INTERNET_DISCONNECTED/)`. */
  allow(...faults: RegExp[]): void {
    this.allowed.push(...faults);
  }

  /** Allows pages to visit another server, such as `http://127.0.0.1:40123`. */
  visit(server: string): void {
    this.servers.add(server);
  }

  /** Watches all pages of a context, including later ones. */
  watch(context: BrowserContext): void {
    // Violations of the content security policy are console errors, too.
    context.on('console', (message) => {
      // Chromium reports a header that it cannot parse as a warning.
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

  /** The errors that no pattern allows. */
  unexpectedErrors(): string[] {
    return this.faults.filter((fault) => !this.allowed.some((allowed) => allowed.test(fault)));
  }
}

/** Chromium logs each 4xx response as an error. From the API, the app expects and handles them. */
function isRefusal(text: string, url: string): boolean {
  return /^Failed to load resource: .* status of 4\d\d /.test(text) && /^https?:\/\/[^/]+\/api\//.test(url);
}
