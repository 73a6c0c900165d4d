/** The media types of recordings: which are recorded, accepted and sent, and their file extensions. */

/** In order of preference: Opus where a browser has it, else what Safari records. */
const RECORDED = [
  'audio/webm;codecs=opus',
  'audio/ogg;codecs=opus',
  'audio/mp4;codecs=opus',
  'audio/mp4;codecs=mp4a.40.2',
  'audio/mp4',
];

/** The type that this browser records; undefined leaves the choice to the browser. */
export function typeToRecord(isSupported: (type: string) => boolean): string | undefined {
  return RECORDED.find(isSupported);
}

/** What the server accepts, for a file input. Some systems know a type only by its file extension. */
export const ACCEPTED_TYPES = 'audio/*,video/webm,.webm,.ogg,.oga,.opus,.m4a,.mp4,.mp3,.wav,.flac';

/**
 * The type without its parameters. A type that is not audio is sent as unknown: the server detects types better than
 * browsers.
 */
export function typeToSend(type: string): string {
  const [name = ''] = type.toLowerCase().split(';');
  return fileExtension(name) ? name : 'application/octet-stream';
}

/**
 * The file extension of a media type, with its dot; empty for an unknown type. The same as on the server (format.rs).
 */
export function fileExtension(type: string): string {
  const [name = ''] = type.toLowerCase().split(';');
  return Object.entries(EXTENSIONS).find(([, names]) => names.includes(name.trim()))?.[0] ?? '';
}

/** The types that the server compares with the type that it detects; it ignores others. */
const EXTENSIONS = {
  '.webm': ['audio/webm', 'video/webm'],
  '.ogg': ['audio/ogg', 'application/ogg', 'audio/opus', 'audio/vorbis', 'video/ogg'],
  '.m4a': ['audio/mp4', 'audio/m4a', 'audio/x-m4a', 'audio/aac', 'video/mp4'],
  '.mp3': ['audio/mpeg', 'audio/mp3'],
  '.wav': ['audio/wav', 'audio/wave', 'audio/x-wav', 'audio/vnd.wave'],
  '.flac': ['audio/flac', 'audio/x-flac'],
};
