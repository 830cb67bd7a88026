// When it is worth asking for all of a run again.

// What may change although no step was made: verdicts, silence, the diagnosis.
const ANEW_MS = 10_000;
// Asking for everything takes one fifth of the time at most.
const PAUSE_FACTOR = 4;

function markOf(run) {
  return JSON.stringify([run.firstSeen, run.lastStep, run.state, run.attempts, run.layerCount, run.lastSeen]);
}

/** Tells whether the data of a run may have changed, so that a quiet run costs little. */
export function createWatch() {
  let mark = '';
  let at = -Infinity;
  let pause = 0;
  return {
    isDue(run) {
      const now = performance.now();
      if (now - at < pause) return false;
      const fresh = markOf(run);
      if (fresh !== mark || now - at >= ANEW_MS) {
        mark = fresh;
        return true;
      }
      return false;
    },
    /** Whether what was loaded last is still all there is. */
    isCurrent: (run) => markOf(run) === mark,
    done(start) {
      at = performance.now();
      pause = (at - start) * PAUSE_FACTOR;
    },
    // Not all of it came: look again at once.
    failed: () => {
      mark = '';
      at = -Infinity;
      pause = 0;
    },
  };
}
