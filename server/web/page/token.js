// Asks for the bearer token where the server wants one. It stays in this tab.

import { h } from './dom.js';

export function tokenForm({ wasRefused, onToken }) {
  const field = h('input', {
    id: 'token', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false',
    'aria-describedby': 'token-help', 'aria-invalid': wasRefused ? 'true' : null,
  });
  const form = h('form', { id: 'token-form', class: 'card token' },
    h('label', { for: 'token' }, 'Bearer token'), field,
    h('p', { id: 'token-help', class: 'dim' },
      wasRefused ? 'The server refused this token. ' : '',
      'One of those in the token file of the server. It is kept until this tab is closed.'),
    h('button', { type: 'submit' }, 'Open'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text) onToken(text);
  });
  return {
    title: 'Token needed',
    element: h('section', { class: 'view' },
      h('h1', { tabindex: '-1' }, wasRefused ? 'The token was refused' : 'This server needs a token'), form),
    dispose() {},
  };
}
