/**
 * The service worker: keeps the app's own files, so that the app starts without a network. It never touches what the API
 * says: nothing of a journal is kept here.
 *
 * Each version of the app has a cache of its own, filled before it is used; a page and its scripts are of one version. A new
 * version waits until a person asks for it, or until no page of the old one is left.
 */

// A module of its own to TypeScript, so that its names are not those of the page.
export {};
declare const self: ServiceWorkerGlobalScope;
/** What the app consists of, and a hash of all that; vite/offline.ts puts them before this script. */
declare const FILES: string[];
declare const VERSION: string;

const PREFIX = 'sotto-app-';
const CACHE = PREFIX + VERSION;
/** What the server answers to and is not the app. */
const OTHERS = /^\/(api|health|metrics)(\/|$)/;
/** Named after what is in them, so these files never change. */
const HASHED = '/assets/';

self.addEventListener('install', (event) => event.waitUntil(keepAll()));
self.addEventListener('activate', (event) => event.waitUntil(forgetOld().then(() => self.clients.claim())));
self.addEventListener('message', (event) => {
  if (event.data === 'take over') void self.skipWaiting();
});
self.addEventListener('fetch', (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (event.request.method !== 'GET' || origin !== self.location.origin || OTHERS.test(pathname)) return;
  event.respondWith(event.request.mode === 'navigate' ? page(event.request) : file(event.request, pathname));
});

/** Each address of the app is the same document. */
async function page(request: Request): Promise<Response> {
  return (await caches.match('/index.html', { cacheName: CACHE })) ?? fetch(request);
}

async function file(request: Request, path: string): Promise<Response> {
  // Without a name of the cache: pages of the version before, still open, find theirs as well.
  const kept =
    (await caches.match(request, { cacheName: CACHE, ignoreVary: true })) ??
    (await caches.match(request, { ignoreVary: true }));
  if (kept) return kept;
  const response = await fetch(request);
  // Letters of other alphabets than the Latin are kept once they were needed.
  if (response.ok && path.startsWith(HASHED)) await (await caches.open(CACHE)).put(request, response.clone());
  return response;
}

async function keepAll(): Promise<void> {
  const cache = await caches.open(CACHE);
  await Promise.all(FILES.map(async (path) => cache.put(path, (await unchanged(path)) ?? (await fresh(path)))));
}

async function unchanged(path: string): Promise<Response | undefined> {
  return path.startsWith(HASHED) ? caches.match(path, { ignoreVary: true }) : undefined;
}

async function fresh(path: string): Promise<Response> {
  const response = await fetch(path, { cache: path.startsWith(HASHED) ? 'default' : 'no-cache' });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response;
}

/** The version before stays, for pages that are still open. */
async function forgetOld(): Promise<void> {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(names.slice(0, -1).map((name) => caches.delete(name)));
}
