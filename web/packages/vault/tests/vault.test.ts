import { type EntryText, RecoveryKey, Vault } from '@sotto/vault';
import { Recording } from '@sotto/vault/recording.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const scope = { user: '01990a4e-7000-7000-8000-000000000001', tag: '01990a4e-7000-7000-8000-000000000002' };
const entry = '01990a4e-7000-7000-8000-000000000003';
const text: EntryText = { content: 'Nobody knows.', tags: [] };
const exportKey = new Uint8Array(64).fill(1);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

test('every entry is decrypted to what was encrypted', async () => {
  const vault = await Vault.create(scope);
  const texts = fc.record({
    title: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
    content: fc.string({ unit: 'binary' }),
    tags: fc.array(fc.string({ unit: 'binary' })),
    keys: fc.array(bytes(32), { maxLength: 2 }),
  });
  const property = fc.asyncProperty(texts, fc.nat(), async ({ keys, ...rest }, revision) => {
    const written = { ...rest, audioKey: keys[0], formerAudioKey: keys[1] };
    const sealed = await vault.sealEntry(entry, revision, written);
    expect(await vault.openEntry(entry, revision, sealed)).toEqual(written);
  });
  await fc.assert(property);
});

test('every recovery key is accepted as it was shown, and rejected with any symbol changed', async () => {
  const changes = fc.integer({ min: 1, max: 31 });
  const property = fc.asyncProperty(bytes(32), fc.nat(55), changes, async (key, position, change) => {
    const symbols = (await new RecoveryKey(key).reveal()).replaceAll('-', '');
    const parsed = await RecoveryKey.parse(symbols.toLowerCase());
    expect(await parsed.proof()).toEqual(await new RecoveryKey(key).proof());
    const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    const other = alphabet.charAt((alphabet.indexOf(symbols.charAt(position)) + change) % 32);
    const mistyped = symbols.slice(0, position) + other + symbols.slice(position + 1);
    await expect(RecoveryKey.parse(mistyped)).rejects.toThrow('mistyped');
  });
  await fc.assert(property, { numRuns: 30 });
});

test('the export key and the wrapped key cannot be confused', async () => {
  const wrapped = await (await Vault.create(scope)).wrap(exportKey);
  expect(wrapped).toHaveLength(61);
  await Vault.unlock(scope, exportKey, wrapped);
  await expect(Vault.unlock(scope, wrapped, exportKey)).rejects.toThrow('an export key must be 64 bytes long, not 61');
});

test('a key of a wrong length is rejected before anything is encrypted with it', async () => {
  const vault = await Vault.create(scope);
  const short = new Uint8Array(16);
  await expect(vault.wrap(short)).rejects.toThrow(RangeError);
  await expect(vault.sealEntry(entry, 1, { ...text, audioKey: short })).rejects.toThrow(RangeError);
  await expect(vault.sealEntry(entry, 1, text, () => short)).rejects.toThrow(RangeError);
  await expect(Recording.open({ user: scope.user, entry }, short, async () => short)).rejects.toThrow(RangeError);
  expect(() => new RecoveryKey(short)).toThrow(RangeError);
});

test('a revision has to fit into its 4 bytes', async () => {
  const vault = await Vault.create(scope);
  for (const revision of [-1, 1.5, 2 ** 32]) {
    await expect(vault.sealEntry(entry, revision, text)).rejects.toThrow(RangeError);
  }
});

test('bytes in shared memory are accepted', async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(64)).fill(1);
  const vault = await Vault.create(scope);
  await Vault.unlock(scope, shared, await vault.wrap(exportKey));
});
