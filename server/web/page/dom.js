// Elements from data, as text and never as markup, and their renewal in place.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'css') {
      // Not as an attribute: the content security policy allows no such style.
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    } else {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/** An element of HTML. `css` of the attributes holds properties of its style. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.getAttribute('data-key') : null;
}

function patchAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // The reader opens details and fills in fields, not the data.
    if (!fresh.hasAttribute(name) && name !== 'open' && name !== 'style') old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name === 'open' || name === 'style') continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (old.style && old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
}

function patch(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // What is inside belongs to a canvas, a plot or a list that renews itself.
  if (old.hasAttribute('data-own')) {
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    return;
  }
  patchAttributes(old, fresh);
  patchChildren(old, fresh);
}

function patchChildren(old, fresh) {
  const wanted = [...fresh.childNodes];
  const keys = new Set(wanted.map(keyOf).filter((key) => key !== null));
  const keyed = new Map();
  for (const child of [...old.childNodes]) {
    const key = keyOf(child);
    if (key === null) continue;
    if (keys.has(key)) keyed.set(key, child);
    else child.remove();
  }
  let cursor = old.firstChild;
  for (const child of wanted) {
    const key = keyOf(child);
    const candidate = key === null ? cursor : keyed.get(key);
    const match = candidate && candidate.nodeName === child.nodeName && keyOf(candidate) === key ? candidate : null;
    if (!match) {
      old.insertBefore(child, cursor);
      continue;
    }
    if (match === cursor) cursor = cursor.nextSibling;
    else old.insertBefore(match, cursor);
    patch(match, child);
  }
  while (cursor) {
    const next = cursor.nextSibling;
    cursor.remove();
    cursor = next;
  }
}

/**
 * Makes the children of `old` those of `fresh`, keeping every node that is still
 * meant: with it focus, selection, scroll and what the reader opened. Nodes with
 * equal data-key are the same thing.
 */
export function renew(old, fresh) {
  const focused = document.activeElement;
  patchChildren(old, fresh);
  // A node that was moved has lost the focus.
  if (focused && focused !== document.activeElement && old.contains(focused)) focused.focus({ preventScroll: true });
}

/**
 * Calls handlers[name](element, event) for an event of `type` in an element with
 * data-action=name. One listener serves whatever is in `root` by then.
 */
export function delegate(root, type, handlers) {
  root.addEventListener(type, (event) => {
    const element = event.target.closest('[data-action]');
    if (!element || !root.contains(element)) return;
    handlers[element.dataset.action]?.(element, event);
  });
}

/** Says something to screen readers that nobody needs to see. */
export function announce(text) {
  document.getElementById('announcer').textContent = text;
}
