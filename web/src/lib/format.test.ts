import { expect, test, vi } from 'vitest';

vi.stubGlobal('document', { documentElement: {} });
vi.stubGlobal('navigator', { languages: ['en'] });

const { bytes } = await import('./format');

test('sizes are short and have a unit', () => {
  expect([0, 999, 1000, 12_288, 1_240_000, 3_400_000_000].map(bytes)).toEqual([
    '0 byte',
    '999 byte',
    '1 kB',
    '12 kB',
    '1.2 MB',
    '3.4 GB',
  ]);
});
