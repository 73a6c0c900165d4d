/** What a browser calls itself, as people would: `Firefox`, `Linux`. The words are names, the same in each language. */

// The first that fits: most browsers name their ancestors, too.
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

/** Nothing for what is not known; a program such as `curl/8.5.0` goes by its own name. */
export function readAgent(text: string | null | undefined): Agent {
  const first = (known: [RegExp, string][]) => known.find(([pattern]) => pattern.test(text ?? ''))?.[1] ?? null;
  const program = /^([\w.-]+)(\/\d|$)/.exec(text ?? '')?.[1];
  return { browser: first(BROWSERS) ?? (program && program !== 'Mozilla' ? program : null), system: first(SYSTEMS) };
}
