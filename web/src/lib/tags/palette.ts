/** The colours of tags. Each has a contrast of at least 3 to 1 to the paper, light and dark (WCAG 1.4.11). */

import type { Key } from '../i18n/index.svelte';

export const PALETTE = [
  { color: '#c2493d', name: 'read:color.red' },
  { color: '#c9622b', name: 'read:color.orange' },
  { color: '#a97a12', name: 'read:color.ochre' },
  { color: '#7d8a1c', name: 'read:color.olive' },
  { color: '#3f8f4f', name: 'read:color.green' },
  { color: '#25918a', name: 'read:color.teal' },
  { color: '#2f86b8', name: 'read:color.sky' },
  { color: '#4a6fd0', name: 'read:color.blue' },
  { color: '#7d63c9', name: 'read:color.violet' },
  { color: '#a84fb0', name: 'read:color.purple' },
  { color: '#c44a83', name: 'read:color.pink' },
  { color: '#7d7468', name: 'read:color.grey' },
] as const satisfies readonly { color: string; name: Key }[];
