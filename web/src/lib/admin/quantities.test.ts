import { expect, test, vi } from 'vitest';

vi.stubGlobal('document', { documentElement: {} });
vi.stubGlobal('navigator', { languages: ['en'] });

const { milliseconds, percent } = await import('./quantities');

test('figures are short and have a unit', () => {
  expect([0.0432, 9.87, 130.4].map(milliseconds)).toEqual(['0.043 ms', '9.9 ms', '130 ms']);
  expect([100, 92.34].map(percent)).toEqual(['100%', '92.3%']);
});
