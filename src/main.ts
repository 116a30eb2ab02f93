/** Where the page begins. Everything else hangs below `ui/App.svelte`. */
import { mount } from 'svelte';
import App from './ui/App.svelte';
import './ui/app.css';

mount(App, { target: document.getElementById('app')! });
