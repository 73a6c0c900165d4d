/** The microphone, and why it cannot be had. */

/** `insecure`: browsers give it to pages that came over HTTPS alone. */
export type Trouble = 'denied' | 'missing' | 'busy' | 'insecure' | 'unsupported' | 'unknown';

export class NoMicrophone extends Error {
  override name = 'NoMicrophone';

  constructor(readonly trouble: Trouble) {
    super(`no microphone: ${trouble}`);
  }
}

/** Asks the person, by the browser's own question. @throws NoMicrophone */
export async function openMicrophone(): Promise<MediaStream> {
  if (!isSecureContext) throw new NoMicrophone('insecure');
  if (!navigator.mediaDevices?.getUserMedia || !('MediaRecorder' in globalThis)) throw new NoMicrophone('unsupported');
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
  } catch (error) {
    throw new NoMicrophone(troubleOf(error));
  }
}

/** As the specification names them: https://w3c.github.io/mediacapture-main/#dom-mediadevices-getusermedia */
export function troubleOf(error: unknown): Trouble {
  switch (error instanceof Error || error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    default:
      return 'unknown';
  }
}
