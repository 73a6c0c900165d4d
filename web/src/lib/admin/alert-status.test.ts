import { expect, test } from 'vitest';

import de from '../i18n/de';
import en from '../i18n/en';
import { alertStatus, type AlertStatus } from './alert-status';

const VERDICTS = ['good', 'between', 'bad', 'unknown'] as const;

test('an alert is fine only if it is not raised and the last check was good', () => {
  for (const raised of [true, false])
    for (const verdict of VERDICTS)
      for (const present of [true, false]) {
        const fine = alertStatus({ raised, verdict }, present) === 'fine';
        expect([raised, verdict, present, fine]).toEqual([
          raised,
          verdict,
          present,
          !raised && verdict === 'good' && present,
        ]);
      }
});

test('a raised alert is shown as raised, or as recovering after a good check', () => {
  const statuses = VERDICTS.map((verdict) => alertStatus({ raised: true, verdict }, true));
  expect(statuses).toEqual(['recovering', 'raised', 'raised', 'raised']);
  expect(alertStatus({ raised: true, verdict: 'good' }, false)).toBe('raised');
});

test('each status has a different text in both languages', () => {
  const statuses: AlertStatus[] = ['raised', 'recovering', 'fine', 'near', 'bad', 'unknown'];
  for (const { admin } of [en, de]) {
    expect(new Set(statuses.map((status) => admin.status[status])).size).toBe(statuses.length);
    expect(Object.keys(admin.status).sort()).toEqual([...statuses].sort());
  }
});
