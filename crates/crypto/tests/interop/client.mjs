// A browser's side of the tests: @serenity-kit/opaque and the vault, behind JSON lines. Each line that comes in is
// {"call": …, …}; each that goes out is {"ok": …} or {"error": …}. Bytes are hexadecimal, OPAQUE's messages are as they are.
import { createInterface } from 'node:readline';
import * as opaque from '@serenity-kit/opaque';
import { openRecording, readBlob, Recording, sealRecording } from '@sotto/vault/recording.js';
import { identifiers, KEY_STRETCHING, normalizePhrase, RecoveryKey, Vault } from '@sotto/vault';

await opaque.ready;

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'));
const exportKey = (text) => hex(Buffer.from(text, 'base64url'));

let vault;
let random;
let counter = 0;
const counting = (length) => Uint8Array.from({ length }, () => counter++ & 0xff);

const calls = {
  registerStart({ phrase }) {
    return opaque.client.startRegistration({ password: normalizePhrase(phrase) });
  },
  registerFinish({ scope, phrase, state, response }) {
    const finished = opaque.client.finishRegistration({
      password: normalizePhrase(phrase),
      clientRegistrationState: state,
      registrationResponse: response,
      identifiers: identifiers(scope),
      keyStretching: KEY_STRETCHING,
    });
    return { ...finished, exportKey: exportKey(finished.exportKey) };
  },
  loginStart({ phrase }) {
    return opaque.client.startLogin({ password: normalizePhrase(phrase) });
  },
  loginFinish({ scope, phrase, state, response }) {
    const finished = opaque.client.finishLogin({
      password: normalizePhrase(phrase),
      clientLoginState: state,
      loginResponse: response,
      identifiers: identifiers(scope),
      keyStretching: KEY_STRETCHING,
    });
    return finished === undefined ? null : { ...finished, exportKey: exportKey(finished.exportKey) };
  },
  /** From here on the randomness is 00, 01, 02, …, as in the example of docs/protocol.md. */
  countRandomness() {
    random = counting;
    counter = 0;
  },
  async create({ scope }) {
    vault = await Vault.create(scope, random);
  },
  async unlock({ scope, exportKey, wrapped }) {
    vault = await Vault.unlock(scope, bytes(exportKey), bytes(wrapped));
  },
  async recover({ scope, recoveryKey, wrap }) {
    vault = await Vault.recover(scope, await RecoveryKey.parse(recoveryKey), bytes(wrap));
  },
  async wrap({ exportKey }) {
    return hex(await vault.wrap(bytes(exportKey), random));
  },
  async wrapForRecovery() {
    const key = RecoveryKey.generate(random);
    return {
      key: await key.reveal(),
      wrap: hex(await vault.wrapForRecovery(key, random)),
      proof: hex(await key.proof()),
      verifier: hex(await key.verifier()),
    };
  },
  async sealEntry({ entry, revision, text }) {
    const [audioKey, formerAudioKey] = [text.audioKey, text.formerAudioKey].map((key) => key && bytes(key));
    const sealed = await vault.sealEntry(entry, revision, { ...text, audioKey, formerAudioKey }, random);
    return Object.fromEntries(Object.entries(sealed).map(([name, value]) => [name, hex(value)]));
  },
  async openEntry({ entry, revision, sealed }) {
    const parts = Object.fromEntries(Object.entries(sealed).map(([name, value]) => [name, bytes(value)]));
    const text = await vault.openEntry(entry, revision, parts);
    return {
      ...text,
      audioKey: text.audioKey && hex(text.audioKey),
      formerAudioKey: text.formerAudioKey && hex(text.formerAudioKey),
    };
  },
  async sealMetadata({ metadata }) {
    return hex(await vault.sealMetadata(metadata, random));
  },
  async sealRecording({ place, mediaType, plaintext }) {
    const { audioKey, sealed } = await sealRecording(place, new Blob([bytes(plaintext)], { type: mediaType }), random);
    return { audioKey: hex(audioKey), sealed: hex(await sealed.arrayBuffer()) };
  },
  async openRecording({ place, audioKey, sealed }) {
    const opened = await openRecording(place, bytes(audioKey), new Blob([bytes(sealed)]));
    return { mediaType: opened.type, plaintext: hex(await opened.arrayBuffer()) };
  },
  /** Each part, and how many bytes of the encrypted recording it took to read it. */
  async readRecording({ place, audioKey, sealed, parts }) {
    const read = readBlob(new Blob([bytes(sealed)]));
    let count = 0;
    const recording = await Recording.open(place, bytes(audioKey), async (start, end) => {
      count += end - start;
      return read(start, end);
    });
    const answers = [];
    for (const [start, end] of parts) {
      count = 0;
      const plaintext = hex(await recording.read(start, end));
      answers.push({ plaintext, read: count });
    }
    return answers;
  },
  openMetadata({ sealed }) {
    return vault.openMetadata(bytes(sealed));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { call, ...parameters } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: (await calls[call](parameters)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
