/** Starts the app: fonts, styles, theme, language and session, and then the first page. */

import '@fontsource-variable/literata/wght.css';
import '@fontsource-variable/literata/wght-italic.css';
import './styles/tokens.css';
import './styles/base.css';

import { mount } from 'svelte';

import App from './App.svelte';
import { signOutMark } from './lib/api/sign-out.svelte';
import { serverInfo } from './lib/auth/server-info';
import { applyTheme } from './lib/device.svelte';
import { startLanguage } from './lib/i18n/index.svelte';
import { session } from './lib/session.svelte';
import { preload } from './router';

applyTheme();
// The sign-out may have been interrupted before it had deleted the key of the drafts.
if (signOutMark.due) void import('./lib/drafts/account-key').then(({ deleteStoredKeys }) => deleteStoredKeys());
if (session.expected) {
  // Shell and page load while the server finds out who is signed in. An import that fails here fails again where it is
  // needed.
  void Promise.all([import('./app/Shell.svelte'), preload(location.pathname as '/')]).catch(() => {});
} else {
  // The sign-in page needs to know whether there is an account at all.
  void serverInfo().catch(() => {});
}
await Promise.all([startLanguage(), session.start()]);
mount(App, { target: document.getElementById('app')! });
