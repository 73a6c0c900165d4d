import { expect, test, vi } from 'vitest';

vi.stubGlobal('navigator', { languages: ['en-GB', 'de-DE'] });
vi.stubGlobal('document', { documentElement: {} });
vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => {} });

const { chooseLanguage, startLanguage } = await import('../i18n/index.svelte');
const { backupSentence } = await import('./backup-sentence');

const recent = {
  sentence: 'The last backup was made less than a day ago, at 2026-11-30T11:21:32.207959Z.',
  verdict: 'good',
} as const;
const old = {
  sentence: 'The last backup was made 8 days ago, which is too long: at 2026-11-22T11:21:32Z.',
  verdict: 'bad',
} as const;

test("the sentence about the last backup is in the reader's language and time zone", async () => {
  await startLanguage();
  expect(backupSentence(recent, 'Europe/Berlin')).toBe('The last backup was made on 30 Nov 2026 at 12:21.');
  expect(backupSentence(old, 'UTC')).toBe('The last backup was made on 22 Nov 2026 at 11:21, which is too long ago.');
  await chooseLanguage('de');
  expect(backupSentence(recent, 'Europe/Berlin')).toBe('Die letzte Sicherung ist vom 30.11.2026, 12:21 Uhr.');
});

test('a sentence of the server without a time is not replaced', () => {
  expect(backupSentence({ sentence: 'Backups are not watched.', verdict: 'good' }, 'UTC')).toBeNull();
});
