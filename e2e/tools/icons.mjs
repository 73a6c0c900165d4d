/** Renders the PNG icons of the app from web/public/icon.svg. Run `npm run icons` after a change of that file. */

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

import { chromium } from '@playwright/test';

const PUBLIC = resolve(import.meta.dirname, '../../web/public');
/** `room` is the share of the width that stays empty, because launchers crop maskable icons by up to a fifth. */
const ICONS = [
  { name: 'icon-192.png', size: 192, room: 0 },
  { name: 'icon-512.png', size: 512, room: 0 },
  { name: 'maskable-512.png', size: 512, room: 0.2 },
  { name: 'apple-touch-icon.png', size: 180, room: 0.1 },
];

const svg = await readFile(resolve(PUBLIC, 'icon.svg'), 'utf8');
const background = /<rect[^>]*fill="([^"]+)"/.exec(svg)?.[1] ?? 'none';
const browser = await chromium.launch({
  executablePath: process.env.SOTTO_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
for (const { name, size, room } of ICONS) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  const inner = size * (1 - room);
  await page.setContent(
    `<body style="margin: 0; display: grid; place-items: center; height: 100vh; background: ${room ? background : 'none'}">${svg}`,
  );
  await page.locator('svg').evaluate((element, width) => element.setAttribute('width', String(width)), inner);
  await page.screenshot({ path: resolve(PUBLIC, 'icons', name), omitBackground: true });
  await page.close();
}
await browser.close();
