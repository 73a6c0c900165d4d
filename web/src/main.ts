import '@fontsource-variable/literata/wght.css';
import '@fontsource-variable/literata/wght-italic.css';
import './styles/tokens.css';
import './styles/base.css';

import { mount } from 'svelte';

import App from './App.svelte';
import { applyTheme } from './lib/device.svelte';
import { startLanguage } from './lib/i18n/index.svelte';
import { session } from './lib/session.svelte';

applyTheme();
await Promise.all([startLanguage(), session.begin()]);
mount(App, { target: document.getElementById('app')! });
