/** Settings of this browser, in localStorage, as opposed to preferences of the user. */

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const stored = (key: string) => {
  try {
    return localStorage.getItem(key);
  } catch {
    // Storage can be forbidden. Then nothing is remembered, and everything else works.
    return null;
  }
};

let theme = $state<Theme>(THEMES.find((name) => name === stored('sotto.theme')) ?? 'system');

export const device = {
  get theme() {
    return theme;
  },
  set theme(chosen) {
    theme = chosen;
    remember('sotto.theme', chosen === 'system' ? null : chosen);
    applyTheme();
  },
};

/** Stores a value on this device; null deletes it. */
export function remember(key: `sotto.${string}`, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Storage is forbidden, as above.
  }
}

/** Returns the stored value of this key; null if there is none. */
export function recall(key: `sotto.${string}`): string | null {
  return stored(key);
}

export function applyTheme(): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
