// @vitest-environment jsdom

import { afterEach, describe, expect, test, vi } from 'vitest';

import { dayIn, longDay, timeOfDay } from './format';
import { DecryptedEntries } from './secret/decrypted-entries';
import { instantOf, localDateTime, zones } from './zoned-time';
import { deviceZone, isKnownZone, supportedZone, zoneForNewEntry } from './zone';

const INSTANT = '2026-11-25T22:40:00.000Z';
/** Zones that a server may have stored, but no browser knows. */
const ODD = ['localtime', 'posixrules', 'Mars/Olympus', '', 'Europe/Berlin\n', 'x'.repeat(1000)];

afterEach(() => void vi.restoreAllMocks());

describe('a time zone that the browser does not know', () => {
  test.each(ODD)('%j is treated as UTC', (zone) => {
    expect([isKnownZone(zone), supportedZone(zone)]).toEqual([false, 'UTC']);
    expect(timeOfDay(INSTANT, zone)).toBe(timeOfDay(INSTANT, 'UTC'));
    expect(longDay(INSTANT, zone)).toBe(longDay(INSTANT, 'UTC'));
    expect(dayIn(INSTANT, zone)).toBe('2026-11-25');
    expect(localDateTime(INSTANT, zone)).toEqual({ day: '2026-11-25', time: '22:40' });
    expect(instantOf({ day: '2026-11-25', time: '22:40' }, zone)).toBe(INSTANT);
    expect(zones(zone)).toContain(zone);
  });

  test('allows a search by day', () => {
    const entries = new DecryptedEntries();
    entries.put({
      id: '1',
      title: null,
      content: 'odd',
      tags: [],
      date: INSTANT,
      zone: 'localtime',
      secretTagId: null,
      revision: 1,
      createdAt: INSTANT,
      updatedAt: INSTANT,
      truncated: false,
      audio: null,
    });
    expect(entries.search({ from: '2026-11-25', to: '2026-11-25' }).map(({ id }) => id)).toEqual(['1']);
    expect(entries.search({ from: '2026-11-26' })).toEqual([]);
  });

  test('is sent only back to the server that stores it', () => {
    expect(zoneForNewEntry('localtime', 'localtime')).toBe('localtime');
    expect(zoneForNewEntry('localtime', 'Europe/Berlin')).toBe('UTC');
    expect(zoneForNewEntry('Asia/Tokyo', 'localtime')).toBe('Asia/Tokyo');
  });
});

test('known time zones are not changed', () => {
  for (const zone of ['UTC', 'Europe/Berlin', 'Asia/Calcutta', 'US/Eastern', 'Etc/GMT+5'])
    expect(supportedZone(zone)).toBe(zone);
});

test.each([
  ['Europe/Berlin', 'Europe/Berlin'],
  ['Etc/Unknown', 'UTC'],
  ['localtime', 'UTC'],
  [undefined, 'UTC'],
])('a device that reports %s is in %s', (reported, zone) => {
  const options = Intl.DateTimeFormat().resolvedOptions();
  const resolved = vi.spyOn(Intl.DateTimeFormat.prototype, 'resolvedOptions');
  resolved.mockReturnValue({ ...options, timeZone: reported as string });
  expect(deviceZone()).toBe(zone);
});
