// What the browser keeps for the page. One that is told to keep nothing throws at
// the mere mention of its storage: then it is kept until the page is left.

/** `name`: localStorage or sessionStorage. `get` answers null for what is not there. */
export function createKeep(name) {
  const memory = new Map();

  // The storage, or what stands in for it, does `work`.
  function attempt(work, otherwise) {
    try {
      return work(globalThis[name]);
    } catch {
      return otherwise();
    }
  }

  return {
    get: (key) => memory.get(key) ?? attempt((storage) => storage.getItem(key), () => null),
    set(key, text) {
      memory.delete(key);
      attempt((storage) => storage.setItem(key, text), () => memory.set(key, text));
    },
    remove(key) {
      memory.delete(key);
      attempt((storage) => storage.removeItem(key), () => {});
    },
  };
}
