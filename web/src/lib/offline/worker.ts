/**
 * The service worker: caches the files of the app, so that it starts without a network. Responses of the API are never
 * cached, so nothing of a journal is stored here.
 *
 * Each version of the app has its own cache, which is complete before it is used, so that a page and its scripts have
 * the same version. A new version is activated by the user, or when no page of the old one is left.
 */

// Makes this file a module for TypeScript, with its own scope.
export {};
declare const self: ServiceWorkerGlobalScope;
/** The paths of the app's files, and a hash of their contents; vite/offline.ts adds both to this script. */
declare const FILES: string[];
declare const VERSION: string;

const PREFIX = 'sotto-app-';
const CACHE = PREFIX + VERSION;
/** Paths of the server that are not part of the app. */
const OTHERS = /^\/(api|health|metrics)(\/|$)/;
/** The names of these files contain a hash of their content, so a file never changes. */
const HASHED = '/assets/';

self.addEventListener('install', (event) => event.waitUntil(cacheAll()));
self.addEventListener('activate', (event) => event.waitUntil(deleteOldCaches().then(() => self.clients.claim())));
self.addEventListener('message', (event) => {
  if (event.data === 'take over') void self.skipWaiting();
});
self.addEventListener('fetch', (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (event.request.method !== 'GET' || origin !== self.location.origin || OTHERS.test(pathname)) return;
  event.respondWith(event.request.mode === 'navigate' ? page(event.request) : file(event.request, pathname));
});

/** Every address of the app is the same document. */
async function page(request: Request): Promise<Response> {
  return (await caches.match('/index.html', { cacheName: CACHE })) ?? fetch(request);
}

async function file(request: Request, path: string): Promise<Response> {
  // Searches all caches, so that open pages of the previous version find their files.
  const kept =
    (await caches.match(request, { cacheName: CACHE, ignoreVary: true })) ??
    (await caches.match(request, { ignoreVary: true }));
  if (kept) return kept;
  const response = await fetch(request);
  // Fonts of other alphabets than the Latin one are cached when they are first used.
  if (response.ok && path.startsWith(HASHED)) await (await caches.open(CACHE)).put(request, response.clone());
  return response;
}

async function cacheAll(): Promise<void> {
  const cache = await caches.open(CACHE);
  await Promise.all(FILES.map(async (path) => cache.put(path, (await unchanged(path)) ?? (await fresh(path)))));
}

async function unchanged(path: string): Promise<Response | undefined> {
  return path.startsWith(HASHED) ? caches.match(path, { ignoreVary: true }) : undefined;
}

async function fresh(path: string): Promise<Response> {
  const response = await fetch(path, { cache: path.startsWith(HASHED) ? 'default' : 'no-cache' });
  if (!response.ok) throw new Error(`${path} responded ${response.status}`);
  return response;
}

/** Deletes the caches of old versions, except the previous one, whose pages may still be open. */
async function deleteOldCaches(): Promise<void> {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(names.slice(0, -1).map((name) => caches.delete(name)));
}
