/** Where the page begins. Everything else hangs below `ui/App.svelte`. */
import { mount } from 'svelte';
import icon from './ui/icon.svg?inline';
import App from './ui/App.svelte';
import './ui/app.css';
import './ui/print.css';

document.querySelector('link[rel="icon"]')?.setAttribute('href', icon);
mount(App, { target: document.getElementById('app')! });
