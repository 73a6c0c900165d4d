/** Parses user agents. The names are the same in each language. */

// The first match counts, because most browsers also name other ones.
const BROWSERS: [RegExp, string][] = [
  [/\bEdgA?(iOS)?\//, 'Edge'],
  [/\bOPR\/|\bOPiOS\//, 'Opera'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'],
  [/\b(Chrome|CriOS|HeadlessChrome)\//, 'Chrome'],
  [/\bVersion\/[\d.]+ .*Safari\//, 'Safari'],
];

const SYSTEMS: [RegExp, string][] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMacintosh\b|\bMac OS X\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
];

export type Agent = { browser: string | null; system: string | null };

/** null for an unknown browser or system. A program such as `curl/8.5.0` counts as a browser, under its own name. */
export function parseUserAgent(text: string | null | undefined): Agent {
  const first = (known: [RegExp, string][]) => known.find(([pattern]) => pattern.test(text ?? ''))?.[1] ?? null;
  const program = /^([\w.-]+)(\/\d|$)/.exec(text ?? '')?.[1];
  return { browser: first(BROWSERS) ?? (program && program !== 'Mozilla' ? program : null), system: first(SYSTEMS) };
}
