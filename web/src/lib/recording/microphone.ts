/** Opens the microphone, or says why that is not possible. */

/** `insecure`: browsers open the microphone only for pages that were loaded over HTTPS. */
export type MicrophoneProblem = 'denied' | 'missing' | 'busy' | 'insecure' | 'unsupported' | 'unknown';

export class NoMicrophone extends Error {
  override name = 'NoMicrophone';

  constructor(readonly problem: MicrophoneProblem) {
    super(`no microphone: ${problem}`);
  }
}

/** The browser asks the user for permission. @throws NoMicrophone */
export async function openMicrophone(): Promise<MediaStream> {
  if (!isSecureContext) throw new NoMicrophone('insecure');
  if (!navigator.mediaDevices?.getUserMedia || !('MediaRecorder' in globalThis)) throw new NoMicrophone('unsupported');
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
  } catch (error) {
    throw new NoMicrophone(problemOf(error));
  }
}

/** The names of errors are in the specification: https://w3c.github.io/mediacapture-main/#dom-mediadevices-getusermedia */
export function problemOf(error: unknown): MicrophoneProblem {
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
