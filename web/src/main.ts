import '@fontsource-variable/literata/wght.css';
import '@fontsource-variable/literata/wght-italic.css';
import './styles/tokens.css';
import './styles/base.css';

import { mount } from 'svelte';

import App from './App.svelte';
import { applyTheme } from './lib/device.svelte';
import { startLanguage } from './lib/i18n/index.svelte';
import { session } from './lib/session.svelte';
import { preload } from './router';

applyTheme();
if (session.expected) {
  // What they will see comes while the server is asked who they are. What fails here fails again where it is needed.
  void Promise.all([import('./lib/shell/Shell.svelte'), preload(location.pathname as '/')]).catch(() => {});
}
await Promise.all([startLanguage(), session.begin()]);
mount(App, { target: document.getElementById('app')! });
